import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { CLOCK, type Clock } from '#libs/kernel';
import { CONFIG, Health, Log, Metrics, outsideRequests, type Config, type Finding } from '#libs/platform';
import { Integrations, type Integration } from '#libs/upstream';
import { IntegrationKnowledge } from './integration-knowledge.js';
import { findingOf, type IntegrationFinding } from './integration-verdict.js';

/** `/health/ready` shows this check only while it is down. */
const GROUP = 'upstreams';
/** How often a process shares its view of the integrations. */
const REFRESH_MS = 2_500;
/** A process reports a change within this time. Answers about health are at most this old. */
const SOON_MS = 250;
/** How long `/health/ready` and a shutdown wait for PostgreSQL. */
const PATIENCE_MS = 1_000;
/** How often a process probes an integration if only this process still has trouble with it. */
const HURRIED_PROBE_MS = 5_000;

/** Judges the health of the integrations by the reports of all processes (docs/decisions/0025). */
@Injectable()
export class IntegrationHealth implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #logger = new Log('IntegrationHealth');
  #timer: NodeJS.Timeout | undefined;
  #soon: NodeJS.Timeout | undefined;
  readonly #logged = new Set<string>();
  readonly #troubledSinceMs = new Map<string, number>();

  constructor(
    private readonly integrations: Integrations,
    private readonly knowledge: IntegrationKnowledge,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock,
    health: Health,
    metrics: Metrics,
  ) {
    health.registerGroup({ name: GROUP, check: () => this.#check() });
    this.#measure(metrics);
    for (const { provider } of integrations.all()) provider.ends.changed = () => this.#syncSoon();
  }

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => void this.#refresh(), REFRESH_MS).unref();
    void this.#refresh();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    clearTimeout(this.#soon);
    await inTime(this.knowledge.close());
  }

  async #check(): Promise<Record<string, Finding>> {
    if (this.#soon !== undefined || this.knowledge.ageMs > SOON_MS) await inTime(this.knowledge.sync());
    const found = this.#findings().map(([name, finding]) => [`upstream ${name}`, finding] as const);
    const { fault } = this.knowledge;
    return {
      ...Object.fromEntries(found),
      // Without this entry, old reports would look current while PostgreSQL is away.
      ...(fault !== null && {
        [GROUP]: {
          status: 'down',
          detail: `the integrations’ health is not shared between processes: ${fault}`,
        },
      }),
    };
  }

  #findings(): [name: string, finding: IntegrationFinding][] {
    return this.knowledge.names().map((name) => [name, this.#findingOf(name)]);
  }

  #findingOf(name: string): IntegrationFinding {
    return findingOf(this.knowledge.known(name), this.config.CLOCK_SKEW_WARN_MS);
  }

  #syncSoon(): void {
    const sync = () => {
      this.#soon = undefined;
      void this.knowledge.sync();
    };
    this.#soon ??= outsideRequests(() => setTimeout(sync, SOON_MS).unref());
  }

  /** Only this method logs changes: no request starts it, so the log lines have no request id. */
  async #refresh(): Promise<void> {
    await this.knowledge.sync();
    this.#logChanges();
    for (const integration of this.integrations.all()) this.#probeWhenTroubled(integration);
  }

  #logChanges(): void {
    for (const [integration, { status, detail }] of this.#findings()) {
      if (status === 'down' && !this.#logged.has(integration)) {
        this.#logged.add(integration);
        this.#logger.warn({ integration, health: 'degraded' }, `${integration} is degraded: ${detail}`);
      } else if (status === 'up' && this.#logged.delete(integration)) {
        this.#logger.info({ integration, health: 'ok' }, `${integration} is in order again`);
      }
    }
  }

  /** Calls may be rare, and only a call can show that the key, signer, clock or breaker is in order again. */
  #probeWhenTroubled({ name, provider, skew, keys }: Integration): void {
    const now = this.clock.monotonicMs();
    const isOwn =
      provider.ends.refused !== null ||
      provider.state !== 'closed' ||
      Boolean(keys?.trouble) ||
      skew.ms() >= this.config.CLOCK_SKEW_WARN_MS;
    const { refused, failing, paused } = this.#findingOf(name);
    if (paused) return;
    if (!isOwn && !refused && !failing) return void this.#troubledSinceMs.delete(name);
    const sinceMs = this.#troubledSinceMs.get(name) ?? now;
    this.#troubledSinceMs.set(name, sinceMs);
    const known = this.knowledge.known(name);
    const isOverElsewhere = isOwn && known.troubles.every(({ goodUntil }) => goodUntil <= known.now);
    const everyMs = isOverElsewhere
      ? Math.min(HURRIED_PROBE_MS, this.config.PROBE_EVERY_MS)
      : this.config.PROBE_EVERY_MS;
    if (now - Math.max(sinceMs, provider.lastProbeAtMs) < everyMs) return;
    const limits = { timeoutMs: this.config.CALL_TIMEOUT_MS, beforeSend: () => undefined };
    // The provider records how the probe ends.
    provider.probe(limits).catch(() => undefined);
  }

  #measure(metrics: Metrics): void {
    const gauge = (
      name: 'degraded' | 'breakers_open' | 'refused' | 'failures_in_a_row' | 'paused',
      read: (finding: IntegrationFinding) => number,
    ) =>
      metrics.gauge(`gangway_integration_${name}`, () =>
        this.#findings().map(([integration, finding]) => ({
          labels: { integration },
          value: read(finding),
        })),
      );
    gauge('degraded', ({ status }) => (status === 'down' ? 1 : 0));
    gauge('breakers_open', ({ breakers }) => breakers?.length ?? 0);
    gauge('refused', ({ refused }) => (refused ? 1 : 0));
    gauge('failures_in_a_row', ({ failing }) =>
      Math.max(0, ...(failing ?? []).map(({ failures }) => failures)),
    );
    gauge('paused', ({ paused }) => (paused ? 1 : 0));
  }
}

function inTime(work: Promise<void>): Promise<void> {
  const patience = new Promise<void>((resolve) => setTimeout(resolve, PATIENCE_MS).unref());
  return Promise.race([work, patience]);
}
