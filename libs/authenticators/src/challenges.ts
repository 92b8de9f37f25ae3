import { randomBytes } from 'node:crypto';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import {
  OnboardingStore,
  Retention,
  notFound,
  statement,
  touchedBy,
  type ForPasskeys,
  type KeyToTake,
  type Terms,
} from '#libs/onboarding';
import { CONFIG, type Config } from '#libs/platform';

/** 32 random bytes. WebAuthn requires at least 16 (Level 3 §13.4.3). */
const CHALLENGE_BYTES = 32;
const DELETE_BATCH = 5_000;
/** The number of submissions that may try a challenge. After that, the browser needs a new challenge. */
const TRIES = 5;

/**
 * Deletes expired challenges, oldest first. A row that another transaction has locked waits for the next run.
 * The selection by `ctid` reads no other rows, whichever plan PostgreSQL chooses.
 */
const FORGET = statement(
  'forget_challenges',
  `DELETE FROM webauthn_challenges WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM webauthn_challenges WHERE expires_at <= (SELECT clock_timestamp())
    ORDER BY expires_at LIMIT $limit::int FOR UPDATE SKIP LOCKED
  )) RETURNING 1`,
  { alone: true },
);

/** The challenges of an onboarding. Each is valid for one passkey, once, for a few minutes. */
@Injectable()
export class Challenges implements OnModuleInit {
  constructor(
    private readonly store: OnboardingStore,
    private readonly retention: Retention,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  onModuleInit(): void {
    this.retention.register('challenges', () => this.forget());
  }

  get lifeMs(): number {
    return this.config.CHALLENGE_LIFE_MS;
  }

  /**
   * Deletes the expired challenges.
   * @returns how many challenges it deleted.
   */
  async forget(): Promise<number> {
    for (let forgotten = 0; ;) {
      const rows = await this.store.run(FORGET, { limit: DELETE_BATCH });
      forgotten += rows.length;
      if (rows.length < DELETE_BATCH) return forgotten;
    }
  }

  /**
   * Issues a challenge.
   * @param key the idempotency key to store with the challenge.
   * @returns null if the onboarding no longer exists or the key is already in use.
   */
  issue(id: string, key?: KeyToTake): Promise<string | null> {
    return this.store.issueChallenge(
      {
        id,
        challenge: randomBytes(CHALLENGE_BYTES).toString('base64url'),
        lifeMs: this.lifeMs,
        outstanding: this.config.CHALLENGES_OUTSTANDING,
      },
      key,
    );
  }

  /**
   * Finds the onboarding of a submission, and counts one try for each of its challenges. If a challenge is
   * not outstanding, no try is counted. This happens before any attestation is decoded, so that simultaneous
   * submissions cannot use up the CPU.
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
