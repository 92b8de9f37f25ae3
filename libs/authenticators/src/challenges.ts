import { randomBytes } from 'node:crypto';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { OnboardingStore, Retention, statement, touchedBy, type Terms } from '#libs/onboarding';
import { inBatchesWithRests } from '#libs/kernel';
import { CONFIG, type Config } from '#libs/platform';
import { Integrations } from '#libs/upstream';

/** 32 random bytes. WebAuthn requires at least 16 (Level 3 §13.4.3). */
const CHALLENGE_BYTES = 32;
const DELETE_BATCH = 5_000;
/** How many submissions with a challenge may fail before the browser needs a new challenge. */
const TRIES = 5;

/**
 * Deletes the oldest first. Skips locked rows: the next run deletes them. Finds rows by `ctid`, so that
 * PostgreSQL reads no other rows.
 */
const FORGET = statement(
  'forget_challenges',
  `DELETE FROM webauthn_challenges WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM webauthn_challenges WHERE expires_at <= (SELECT clock_timestamp())
    ORDER BY expires_at LIMIT $limit::int FOR UPDATE SKIP LOCKED
  )) RETURNING 1`,
  { alone: true },
);

/** Counts only for challenges that have a try left. Locks these challenges. */
const COUNT_FAILURE = statement(
  'count_failure',
  `UPDATE webauthn_challenges SET failures = failures + 1
  WHERE onboarding_id = $id::uuid AND challenge = ANY ($challenges::text[]) AND failures < $tries::int`,
);

/** With each challenge, one passkey can be registered within a few minutes. */
@Injectable()
export class Challenges implements OnModuleInit {
  /** Submissions that this process checks now, by caller and onboarding. */
  readonly #checking = new Map<string, number>();

  constructor(
    private readonly store: OnboardingStore,
    private readonly retention: Retention,
    private readonly integrations: Integrations,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  onModuleInit(): void {
    this.retention.register('challenges', (stop) => this.forget(stop));
  }

  get lifeMs(): number {
    return this.config.CHALLENGE_LIFE_MS;
  }

  /** @returns how many it deleted */
  forget(stop?: AbortSignal): Promise<number> {
    return inBatchesWithRests(
      DELETE_BATCH,
      async (limit) => (await this.store.run(FORGET, { limit })).length,
      stop,
    );
  }

  /**
   * @returns null if the onboarding accepts no passkeys from the caller, the subject has all passkeys that
   *   the integration allows, or the idempotency key is already in use
   */
  async issue(id: string, { caller, versions, key }: Pick<Terms, 'caller' | 'versions' | 'key'>) {
    const challenge = randomBytes(CHALLENGE_BYTES).toString('base64url');
    const issued = await this.store.issueChallenge(
      { id, by: touchedBy(caller, 'owner'), versions, key },
      {
        challenge,
        lifeMs: this.lifeMs,
        outstanding: this.config.CHALLENGES_OUTSTANDING,
        rooms: this.#rooms(),
      },
    );
    return issued && { ...issued, challenge };
  }

  #rooms(): Record<string, number> {
    return Object.fromEntries(
      this.integrations.all().map(({ name, config }) => [name, config.passkeys.maxAuthenticators]),
    );
  }

  /**
   * @param who the caller and the onboarding
   * @param work receives how many of their submissions this process was checking already
   */
  async whileChecking<T>(who: string, work: (ahead: number) => Promise<T>): Promise<T> {
    const ahead = this.#checking.get(who) ?? 0;
    this.#checking.set(who, ahead + 1);
    try {
      return await work(ahead);
    } finally {
      const left = this.#checking.get(who)! - 1;
      if (left > 0) this.#checking.set(who, left);
      else this.#checking.delete(who);
    }
  }

  /**
   * @param failures how many submissions with the challenge have failed
   * @param ahead see {@link whileChecking}; counts too, so that simultaneous submissions cannot use up the
   *   CPU
   */
  isExhausted(failures: number, ahead: number): boolean {
    return failures + ahead >= TRIES;
  }

  async countFailure(id: string, challenges: readonly string[]): Promise<void> {
    await this.store.run(COUNT_FAILURE, { id, challenges, tries: TRIES });
  }
}
