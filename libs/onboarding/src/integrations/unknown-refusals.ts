import {
  Inject,
  Injectable,
  type BeforeApplicationShutdown,
  type OnApplicationBootstrap,
} from '@nestjs/common';
import { PreparedStatements, isDatabaseAway } from '#libs/database';
import { CLOCK, uuidV7, type Clock } from '#libs/kernel';
import { CONFIG, Log, Metrics, type Config } from '#libs/platform';
import { redacted, type UpstreamError } from '#libs/upstream';
import { STEPS } from '../flow/table.js';
import { statement } from '../store/statement.js';

/** How many texts of an integration are stored. Further texts are counted together, under an empty text. */
export const TEXTS_KEPT = 200;
/** How many texts may wait in memory. */
const WAITING = 500;
const WRITE_EVERY_MS = 1_000;
/** How long a shutdown waits for PostgreSQL. */
const PATIENCE_MS = 1_000;

export interface RefusedCall {
  integration: string;
  step: string;
  /** Null for a probe. */
  onboardingId: string | null;
}

interface Seen extends RefusedCall {
  status: number;
  refusal: string;
  count: number;
  firstAtMs: number;
  lastAtMs: number;
}

const NOTE = statement(
  'unknown_refusals_note',
  `WITH seen AS (
    SELECT x.*, u.id IS NOT NULL AS is_known,
      row_number() OVER (PARTITION BY x.integration, u.id IS NOT NULL ORDER BY x.id) AS place
    FROM jsonb_to_recordset($seen::jsonb) AS x (id uuid, integration text, step text, status int,
      refusal text, count int, first_age float8, last_age float8, onboarding_id uuid)
    LEFT JOIN unknown_refusals u USING (integration, step, status, refusal)
  ), placed AS (
    SELECT s.*, CASE WHEN is_known OR place + (
        SELECT count(*) FROM unknown_refusals k WHERE k.integration = s.integration AND k.refusal <> ''
      ) <= $kept::int THEN refusal ELSE '' END AS text
    FROM seen s
  )
  INSERT INTO unknown_refusals AS u
    (id, integration, step, status, refusal, count, first_seen_at, last_seen_at, onboarding_id)
  SELECT (min(id::text))::uuid, integration, step, status, text, sum(count),
    clock_timestamp() - max(first_age) * interval '1 millisecond',
    clock_timestamp() - min(last_age) * interval '1 millisecond',
    (array_agg(onboarding_id ORDER BY last_age) FILTER (WHERE onboarding_id IS NOT NULL))[1]
  FROM placed GROUP BY integration, step, status, text ORDER BY integration, step, status, text
  ON CONFLICT (integration, step, status, refusal) DO UPDATE SET count = u.count + excluded.count,
    last_seen_at = greatest(u.last_seen_at, excluded.last_seen_at),
    onboarding_id = coalesce(excluded.onboarding_id, u.onboarding_id)`,
);

/**
 * Collects unknown texts of refusals, without personal data, so that a developer can add them to the code.
 * Writes in batches, so that no attempt waits.
 */
@Injectable()
export class UnknownRefusals implements OnApplicationBootstrap, BeforeApplicationShutdown {
  readonly #logger = new Log('UnknownRefusals');
  readonly #counter;
  #waiting = new Map<string, Seen>();
  readonly #logged = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> | null = null;
  #isFailing = false;

  constructor(
    private readonly statements: PreparedStatements,
    @Inject(CONFIG) { INTEGRATIONS }: Config,
    @Inject(CLOCK) private readonly clock: Clock,
    metrics: Metrics,
  ) {
    this.#counter = metrics.counter('gangway_unknown_refusals_total');
    // Prometheus sees an increase only if the series already has a value, so each series begins at 0.
    for (const { name: integration } of INTEGRATIONS)
      for (const step of [...STEPS, 'probe']) this.#counter.inc({ integration, step }, 0);
  }

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => void this.write(), WRITE_EVERY_MS).unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    clearInterval(this.#timer);
    const patience = new Promise<void>((resolve) => setTimeout(resolve, PATIENCE_MS).unref());
    await Promise.race([this.write(), patience]);
  }

  /** Keeps an unknown text of a refusal for a later write. Never throws. */
  note(call: RefusedCall, { unknownText }: Pick<UpstreamError, 'unknownText'>): void {
    if (!unknownText) return;
    const { integration, step, onboardingId } = call;
    const { status } = unknownText;
    this.#counter.inc({ integration, step });
    const refusal = redacted(unknownText.text.reveal());
    const key = JSON.stringify([integration, step, status, refusal]);
    this.#logOnce(key, { ...call, status, refusal });
    const now = this.clock.monotonicMs();
    const seen = this.#waiting.get(key);
    if (seen) {
      seen.count += 1;
      seen.lastAtMs = now;
      seen.onboardingId = onboardingId ?? seen.onboardingId;
    } else if (this.#waiting.size < WAITING) {
      this.#waiting.set(key, { ...call, status, refusal, count: 1, firstAtMs: now, lastAtMs: now });
    }
  }

  /** One run at a time. Never rejects. */
  write(): Promise<void> {
    if (this.#waiting.size === 0 && !this.#writing) return Promise.resolve();
    this.#writing ??= this.#write().finally(() => (this.#writing = null));
    return this.#writing;
  }

  async #write(): Promise<void> {
    const taken = this.#waiting;
    this.#waiting = new Map();
    try {
      await this.#store([...taken.values()]);
      this.#isFailing = false;
    } catch (error) {
      if (!isDatabaseAway(error) && taken.size > 1) return this.#writeEach(taken);
      this.#failed(taken, error as Error);
    }
  }

  /** A text that PostgreSQL does not accept must not block the others. */
  async #writeEach(taken: Map<string, Seen>): Promise<void> {
    for (const [key, seen] of taken) {
      try {
        await this.#store([seen]);
        this.#isFailing = false;
      } catch (error) {
        this.#failed(new Map([[key, seen]]), error as Error);
      }
    }
  }

  #failed(texts: Map<string, Seen>, error: Error): void {
    const isAway = isDatabaseAway(error);
    if (isAway) this.#keep(texts);
    if (!this.#isFailing) {
      const what = isAway ? 'are not stored yet' : 'are lost';
      this.#logger.warn({}, `unknown refusals ${what}: ${error.message}`);
    }
    this.#isFailing = true;
  }

  async #store(texts: readonly Seen[]): Promise<void> {
    const now = this.clock.monotonicMs();
    const seen = texts.map(({ firstAtMs, lastAtMs, onboardingId, ...each }) => ({
      ...each,
      id: uuidV7(this.clock.nowMs()),
      first_age: now - firstAtMs,
      last_age: now - lastAtMs,
      onboarding_id: onboardingId,
    }));
    await this.statements.run(NOTE, NOTE.bind({ seen, kept: TEXTS_KEPT }));
  }

  #keep(taken: Map<string, Seen>): void {
    for (const [key, newer] of this.#waiting) {
      const older = taken.get(key);
      if (older) Object.assign(newer, { count: older.count + newer.count, firstAtMs: older.firstAtMs });
    }
    this.#waiting = new Map([...[...taken].slice(0, WAITING), ...this.#waiting]);
  }

  #logOnce(
    key: string,
    { integration, step, onboardingId, status, refusal }: Omit<Seen, 'count' | 'firstAtMs' | 'lastAtMs'>,
  ): void {
    if (this.#logged.has(key) || this.#logged.size >= WAITING) return;
    this.#logged.add(key);
    const line = {
      event: 'unknown_refusal',
      onboardingId,
      integration,
      step,
      upstreamStatus: status,
      refusal,
    };
    this.#logger.warn(line, `${integration} refused ${step} with a text that is not known`);
  }
}
