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

/** 32 random bytes, where WebAuthn asks for at least 16 (Level 3 §13.4.3). */
const CHALLENGE_BYTES = 32;
const DELETE_BATCH = 5_000;
/** How many submissions may use a challenge. After that, a browser needs a new one. */
const TRIES = 5;

/**
 * Deletes challenges whose time is over, oldest first. Locks their rows; one that is being used is left to the next run. By
 * their place: whatever PostgreSQL makes of the limit, it reads no other rows.
 */
const FORGET = statement(
  'forget_challenges',
  `DELETE FROM webauthn_challenges WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM webauthn_challenges WHERE expires_at <= (SELECT clock_timestamp())
    ORDER BY expires_at LIMIT $limit::int FOR UPDATE SKIP LOCKED
  )) RETURNING 1`,
);

/** Challenges that were handed out for an onboarding: each good for one passkey, once, for a few minutes. */
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

  /** Of one that is issued now. */
  get lifeMs(): number {
    return this.config.CHALLENGE_LIFE_MS;
  }

  /** Deletes those whose time is over. @returns how many. */
  async forget(): Promise<number> {
    for (let forgotten = 0; ;) {
      const rows = await this.store.run(FORGET, { limit: DELETE_BATCH });
      forgotten += rows.length;
      if (rows.length < DELETE_BATCH) return forgotten;
    }
  }

  /**
   * @param key to be taken with it.
   * @returns a fresh challenge, unpadded base64url; null where the onboarding is gone or the key is taken.
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
   * The onboarding of a submission. Charges a try to each of its challenges, before any attestation is decoded: if a try
   * were charged afterwards, many submissions at once would all be decoded. If one of them is not outstanding, none is charged.
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
