import { Inject, Injectable } from '@nestjs/common';
import { findOutage } from '#libs/database';
import { CLOCK, type Clock } from '#libs/kernel';
import { PROCESS_NAME, Log } from '#libs/platform';
import { Integrations, type Failures, type Integration, type TroubleName } from '#libs/upstream';
import { OnboardingCounts } from '../counts/onboarding-counts.js';
import {
  IntegrationReports,
  LIVE_MS,
  type Count,
  type OwnTrouble,
  type OwnView,
  type Reports,
  type Trouble,
  type View,
} from './integration-reports.js';
import type { Known } from './integration-verdict.js';

/**
 * Shares what all processes know about the integrations. While PostgreSQL is away, the last known facts stay.
 */
@Injectable()
export class IntegrationKnowledge {
  readonly #logger = new Log('IntegrationKnowledge');
  #read: { reports: Reports; atMs: number } | null = null;
  #syncing: Promise<void> | null = null;
  #fault: Error | null = null;
  #closed = false;

  constructor(
    private readonly integrations: Integrations,
    private readonly shared: IntegrationReports,
    private readonly counted: OnboardingCounts,
    @Inject(CLOCK) private readonly clock: Clock,
    @Inject(PROCESS_NAME) private readonly process: string,
  ) {}

  /** Since the reports of the other processes were last read. */
  get ageMs(): number {
    return this.#read ? this.clock.monotonicMs() - this.#read.atMs : Infinity;
  }

  /** Null if the reports are current and shared. */
  get fault(): string | null {
    const fault = this.#fault ?? this.counted.fault;
    return fault && (findOutage(fault) ?? 'a statement fails.');
  }

  /** Shares the views, one run at a time. Never rejects. */
  sync(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#syncing ??= this.#sync().finally(() => (this.#syncing = null));
    return this.#syncing;
  }

  /** Stops reporting, and deletes this process's reports. While PostgreSQL is away, they only expire. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#syncing;
    await this.shared.withdraw(this.process).catch(() => undefined);
  }

  /** @returns the sorted names, also of integrations that this process does not have. */
  names(): string[] {
    const { views = [], pauses = [] } = this.#read?.reports ?? {};
    const known = this.integrations.all().map(({ name }) => name);
    return [
      ...new Set([
        ...known,
        ...[...views, ...this.#counts(), ...pauses].map(({ integration }) => integration),
      ]),
    ].toSorted();
  }

  known(name: string): Known {
    const ofIntegration = <T extends { integration: string }>(each: readonly T[] = []) =>
      each.filter(({ integration }) => integration === name);
    return {
      views: ofIntegration(this.#views()),
      troubles: ofIntegration(this.#troubles()),
      counts: ofIntegration(this.#counts()),
      pause: ofIntegration(this.#read?.reports.pauses)[0] ?? null,
      now: this.#epochOf(this.clock.monotonicMs()),
    };
  }

  async #sync(): Promise<void> {
    // Writing and reading are tried separately, because a read-only server can still be read.
    const faults = [await faultOf(() => this.#report()), await faultOf(() => this.#readReports())].filter(
      Boolean,
    );
    if (faults.length > 0 && !this.#fault)
      this.#logger.warn(
        { process: this.process },
        `health is not shared with other processes: ${faults[0]!.message}`,
      );
    this.#fault = faults[0] ?? null;
  }

  async #report(): Promise<void> {
    const all = this.integrations.all();
    const views = all.map((each) => this.#ownView(each));
    await this.shared.publish(this.process, views);
    const unreported = all.map(({ name, provider: { ends } }) => ({
      name,
      ends,
      failures: ends.unreported(),
    }));
    const troubles = unreported.flatMap(({ name, failures }) => this.#ownTroubles(name, failures));
    if (troubles.length > 0) await this.shared.report(troubles);
    for (const { ends, failures } of unreported) ends.removeReported(failures);
  }

  async #readReports(): Promise<void> {
    const reports = await this.shared.read();
    this.#read = { reports, atMs: this.clock.monotonicMs() };
    const now = this.clock.monotonicMs();
    const mended = reports.troubles
      .filter((trouble) => this.#isOver(trouble))
      .map(({ integration, what }) => ({ integration, what, age: now - this.#okAtMs(integration, what) }));
    if (mended.length > 0) await this.shared.mended(mended);
  }

  #counts(): Count[] {
    return this.counted.steps.flatMap(({ integration, state, reason, count, parkedAt, updatedAt }) => [
      ...(reason === null ? [] : [{ integration, what: 'parked', reason, count, since: parkedAt! } as const]),
      ...(state === 'outcome_unknown'
        ? [{ integration, what: state, reason: null, count, since: updatedAt } as const]
        : []),
    ]);
  }

  #okAtMs(integration: string, what: TroubleName): number {
    return this.integrations.find(integration)?.provider.ends.okAtMs(what) ?? -Infinity;
  }

  /** Whether the call has succeeded in this process since its last failure. */
  #isOver({ integration, what, lastAt }: Trouble): boolean {
    return this.#epochOf(this.#okAtMs(integration, what)) > lastAt;
  }

  #views(): View[] {
    const stored = this.#read?.reports.views ?? [];
    const others = this.ageMs < LIVE_MS ? stored.filter(({ process }) => process !== this.process) : [];
    const own = this.integrations.all().map((integration) => {
      const { breakerAgeMs, refusedAgeMs, ...view } = this.#ownView(integration);
      // Prefers the times of the stored report, so that all processes show the same times.
      const before = stored.find(
        (each) => each.process === this.process && each.integration === view.integration,
      );
      return {
        ...view,
        process: this.process,
        breakerSince: breakerAgeMs === null ? null : (before?.breakerSince ?? this.#ago(breakerAgeMs)),
        refusedSince: refusedAgeMs === null ? null : (before?.refusedSince ?? this.#ago(refusedAgeMs)),
      };
    });
    return [...others, ...own];
  }

  #troubles(): Trouble[] {
    const troubles = (this.#read?.reports.troubles ?? []).filter((trouble) => !this.#isOver(trouble));
    const own = this.integrations
      .all()
      .flatMap(({ name, provider: { ends } }) => this.#ownTroubles(name, ends.unreported()));
    for (const { integration, what, failures, failure, status, sinceAgeMs, lastAgeMs, goodForMs } of own) {
      const at = troubles.findIndex((each) => each.integration === integration && each.what === what);
      const before = troubles[at];
      const lastAt = this.#ago(lastAgeMs);
      const merged = {
        integration,
        what,
        failures: failures + (before?.failures ?? 0),
        since: before?.since ?? this.#ago(sinceAgeMs),
        lastAt,
        goodUntil: goodForMs === null ? Infinity : lastAt + goodForMs,
        failure,
        status,
      };
      troubles.splice(at < 0 ? troubles.length : at, 1, merged);
    }
    return troubles;
  }

  #ownView({ name, provider, skew, keys }: Integration): OwnView {
    const now = this.clock.monotonicMs();
    const { notClosedSinceMs, ends } = provider;
    const two = keys && keys.count > 1;
    return {
      integration: name,
      breaker: provider.state,
      breakerAgeMs: notClosedSinceMs === null ? null : now - notClosedSinceMs,
      refusedAgeMs: ends.refused && now - ends.refused.sinceMs,
      refusedStatus: ends.refused?.status ?? null,
      skewMs: Math.round(skew.ms()),
      signer: keys?.trouble?.message ?? null,
      key: two ? { inUse: keys.inUse, count: keys.count, fingerprint: keys.fingerprint } : null,
    };
  }

  #ownTroubles(integration: string, unreported: ReadonlyMap<TroubleName, Failures>): OwnTrouble[] {
    const now = this.clock.monotonicMs();
    return [...unreported].map(([what, { count, firstAtMs, lastAtMs, failure, status, goodForMs }]) => ({
      integration,
      what,
      failures: count,
      failure,
      status,
      sinceAgeMs: now - firstAtMs,
      lastAgeMs: now - lastAtMs,
      goodForMs,
    }));
  }

  /** By PostgreSQL's clock; before the first read, by this process's clock, which may be wrong. */
  #epochOf(monotonicMs: number): number {
    if (this.#read) return this.#read.reports.now + monotonicMs - this.#read.atMs;
    return this.clock.nowMs() + monotonicMs - this.clock.monotonicMs();
  }

  #ago(ageMs: number): number {
    return this.#epochOf(this.clock.monotonicMs() - ageMs);
  }
}

async function faultOf(work: () => Promise<void>): Promise<Error | null> {
  try {
    await work();
    return null;
  } catch (error) {
    return error as Error;
  }
}
