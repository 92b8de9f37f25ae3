import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { CLOCK, type Clock } from '#libs/kernel';
import { PROCESS_NAME, Log, Metrics } from '#libs/platform';
import type { BreakerState } from './guarded-provider.js';
import { Integrations, type Integration } from './integrations.js';
import { UpstreamHttpClient } from './transport/http-client.js';

const OPENNESS = { closed: 0, half_open: 0.5, open: 1 };

/**
 * Metrics and log lines about each provider. The readiness check combines the reports of all processes
 * (`libs/onboarding/src/integrations/integration-health.ts`).
 */
@Injectable()
export class UpstreamHealth implements OnApplicationShutdown {
  readonly #logger = new Log('UpstreamHealth');

  constructor(
    private readonly integrations: Integrations,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(PROCESS_NAME) private readonly process: string,
    http: UpstreamHttpClient,
    metrics: Metrics,
  ) {
    const each = (read: (integration: Integration) => number) => () =>
      integrations.all().map((one) => ({ labels: { integration: one.name }, value: read(one) }));
    metrics.gauge(
      'gangway_breaker_open',
      each(({ provider }) => OPENNESS[provider.state]),
    );
    metrics.gauge(
      'gangway_clock_skew_seconds',
      each(({ skew }) => skew.ms() / 1000),
    );
    metrics.gauge('gangway_signing_key_in_use', () =>
      integrations
        .all()
        .flatMap(({ name, keys }) => (keys ? [{ labels: { integration: name }, value: keys.inUse }] : [])),
    );
    metrics.gauge('gangway_credential_expiry_timestamp_seconds', () =>
      integrations.all().flatMap(({ name, config }) => {
        const endsMs = http.certificateEndsMs(config.baseUrl);
        if (endsMs === undefined) return [];
        return [{ labels: { kind: 'upstream_certificate', name }, value: endsMs / 1_000 }];
      }),
    );
    for (const integration of integrations.all()) this.#logChanges(integration);
  }

  onApplicationShutdown(): void {
    for (const { provider } of this.integrations.all()) provider.shutdown();
  }

  #logChanges({ name, provider }: Integration): void {
    const about = { integration: name, process: this.process };
    let previous: BreakerState = 'closed';
    provider.breakerChanged = (breaker) => {
      // During an outage, the breaker lets a call through every few seconds. These changes write only debug
      // lines.
      const news = (breaker === 'closed') !== (previous === 'closed');
      previous = breaker;
      const line = { ...about, breaker };
      if (!news) this.#logger.debug(line, `${name}: the breaker is ${breaker}`);
      else if (breaker === 'closed')
        this.#logger.info(line, `${name}: the breaker closed, calls are sent again`);
      else this.#logger.warn(line, `${name}: the breaker opened, too many calls failed`);
    };
    let refusedAtMs = 0;
    provider.ends.accessChanged = (refused) => {
      const now = this.clock.monotonicMs();
      if (refused) {
        refusedAtMs = now;
        const { status } = refused;
        const text =
          status === null
            ? `${name} gets no requests: our clock or signer does not work`
            : `${name} refuses our requests: it answers ${status}`;
        this.#logger.error({ ...about, access: 'refused', upstreamStatus: status }, text);
      } else {
        const afterS = Math.round((now - refusedAtMs) / 1000);
        const line = { ...about, access: 'accepted', afterS };
        this.#logger.info(line, `${name} accepts our requests again, after ${afterS} s`);
      }
    };
  }
}
