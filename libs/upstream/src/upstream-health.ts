import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { CLOCK, type Clock } from '#libs/kernel';
import { CONFIG, Health, Metrics, type Config } from '#libs/platform';
import { Integrations, type Integration } from './integrations.js';

const OPENNESS = { closed: 0, half_open: 0.5, open: 1 };

/** Readiness says how each upstream is doing; none of them is vital, since what fails there is tried again. */
@Injectable()
export class UpstreamHealth implements OnApplicationShutdown {
  constructor(
    private readonly integrations: Integrations,
    @Inject(CONFIG) config: Config,
    @Inject(CLOCK) clock: Clock,
    health: Health,
    metrics: Metrics,
  ) {
    const each = (read: (integration: Integration) => number) => () =>
      Object.fromEntries(integrations.all().map((one) => [one.name, read(one)]));
    const label = 'integration';
    metrics.gauge(
      'gangway_breaker_open',
      'Whether calls are held back: 1, half open 0.5',
      label,
      each(({ provider }) => OPENNESS[provider.state]),
    );
    metrics.gauge(
      'gangway_clock_skew_seconds',
      'Distance to the clock of the upstream',
      label,
      each(({ skew }) => skew.ms(clock.nowMs()) / 1000),
    );
    metrics.gauge(
      'gangway_signing_key_in_use',
      'Which key of the integration is used first: 1, or 2 while keys are changed',
      label,
      () =>
        Object.fromEntries(
          integrations.all().flatMap(({ name, keys }) => (keys ? [[name, keys.inUse]] : [])),
        ),
    );
    for (const { name, provider, skew, keys } of integrations.all()) {
      health.register({
        name: `upstream ${name}`,
        vital: false,
        check: async () => {
          if (provider.state !== 'closed')
            return { status: 'down', detail: `the breaker is ${provider.state}` };
          if (keys?.trouble) return { status: 'down', detail: keys.trouble.message };
          if (skew.ms(clock.nowMs()) < config.CLOCK_SKEW_WARN_MS) {
            if (!keys || keys.count === 1) return { status: 'up' };
            const detail = `signs with key ${keys.inUse} of ${keys.count}, ${keys.fingerprint}`;
            return { status: 'up', detail };
          }
          return {
            status: 'down',
            detail: `the clocks are ${Math.round(skew.ms(clock.nowMs()) / 1000)} s apart`,
          };
        },
      });
    }
  }

  onApplicationShutdown(): void {
    for (const { provider } of this.integrations.all()) provider.shutdown();
  }
}
