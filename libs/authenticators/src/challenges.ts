import { randomBytes } from 'node:crypto';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import {
  OnboardingStore,
  Retention,
  notFound,
  statement,
  touchedBy,
  type ForPasskeys,
  type Terms,
} from '#libs/onboarding';
import { inBatchesWithRests } from '#libs/kernel';
import { CONFIG, type Config } from '#libs/platform';
import { Integrations } from '#libs/upstream';

/** 32 random bytes. WebAuthn requires at least 16 (Level 3 §13.4.3). */
const CHALLENGE_BYTES = 32;
const DELETE_BATCH = 5_000;
/** How many submissions may contain the same challenge. After that, the browser needs a new challenge. */
const TRIES = 5;

/**
 * Deletes expired challenges, oldest first. Skips locked rows: the next run deletes them. Finds rows by
 * `ctid`, so that PostgreSQL reads no other rows.
 */
const FORGET = statement(
  'forget_challenges',
  `DELETE FROM webauthn_challenges WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM webauthn_challenges WHERE expires_at <= (SELECT clock_timestamp())
    ORDER BY expires_at LIMIT $limit::int FOR UPDATE SKIP LOCKED
  )) RETURNING 1`,
  { alone: true },
);

/**
 * The challenges of an onboarding. With each challenge, one passkey can be registered within a few minutes.
 */
@Injectable()
export class Challenges implements OnModuleInit {
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

  /** @returns how many expired challenges it deleted. */
  forget(stop?: AbortSignal): Promise<number> {
    return inBatchesWithRests(
      DELETE_BATCH,
      async (limit) => (await this.store.run(FORGET, { limit })).length,
      stop,
    );
  }

  /**
   * Issues a challenge, if the onboarding accepts passkeys from the caller.
   *
   * @returns null if the onboarding does not accept them, the subject has all passkeys that the integration
   *   allows, or the idempotency key is already in use.
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

  /** How many passkeys each integration allows a subject. */
  #rooms(): Record<string, number> {
    return Object.fromEntries(
      this.integrations.all().map(({ name, config }) => [name, config.passkeys.maxAuthenticators]),
    );
  }

  /**
   * Finds the onboarding of a submission, and counts one try of each submitted challenge. Counts nothing if
   * one of the challenges is not outstanding. The tries are counted before any attestation is decoded, so
   * that simultaneous submissions cannot use up the CPU.
   *
   * @throws ProblemError `not_found`
   */
  async submitted(
    id: string,
    { challenges, byDevice }: { challenges: readonly string[]; byDevice: boolean },
    { caller, versions }: Pick<Terms, 'caller' | 'versions'>,
  ): Promise<ForPasskeys> {
    const by = touchedBy(caller, 'owner');
    const found = await this.store.findForPasskeys(id, { challenges, byDevice, tries: TRIES, by, versions });
    if (!found) throw notFound(id);
    return found;
  }
}
