import { randomBytes } from 'node:crypto';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { Retention, statement, type KeyToTake } from '#libs/onboarding';
import { CONFIG, type Config } from '#libs/platform';

/** 32 random bytes, where WebAuthn asks for at least 16 (Level 3 §13.4.3). */
const CHALLENGE_BYTES = 32;
const DELETE_BATCH = 5_000;
/** How many submissions may use a challenge. After that, a browser needs a new one. */
const TRIES = 5;

/**
 * Issues a challenge; the oldest makes room where too many are outstanding. Locks, in this order: the key, the onboarding,
 * the challenges that go. The onboarding's row is held, or an erasure at the same moment would not see what is written.
 */
const ISSUE = statement(
  'issue_challenge',
  `WITH key_taken AS (
    INSERT INTO idempotency_keys (caller, route, key, fingerprint, taken_by, onboarding_id, locked_until)
    SELECT $keyCaller::text, $route::text, $key::text, $keyFingerprint::text, $takenBy::uuid, o.id,
      clock_timestamp() + $lockMs::float8 * interval '1 millisecond'
    FROM onboardings o WHERE $key::text IS NOT NULL AND o.id = $id::uuid AND o.erased_at IS NULL
    ON CONFLICT (caller, route, key) DO NOTHING
    RETURNING 1
  ),
  target AS (
    SELECT o.id FROM onboardings o
    WHERE o.id = $id::uuid AND o.erased_at IS NULL AND ($key::text IS NULL OR EXISTS (SELECT 1 FROM key_taken))
    FOR SHARE
  ),
  outdated AS (
    DELETE FROM webauthn_challenges w USING target t
    WHERE w.onboarding_id = t.id AND w.challenge IN (
      SELECT each.challenge FROM (
        SELECT c.challenge, c.expires_at, row_number() OVER (ORDER BY c.expires_at DESC) AS position
        FROM webauthn_challenges c WHERE c.onboarding_id = $id::uuid
      ) each WHERE each.expires_at <= clock_timestamp() OR each.position >= $outstanding::int)
  ),
  issued AS (
    INSERT INTO webauthn_challenges (onboarding_id, challenge, expires_at)
    SELECT t.id, $challenge::text, clock_timestamp() + $lifeMs::float8 * interval '1 millisecond' FROM target t
    RETURNING challenge
  )
  SELECT i.challenge FROM (SELECT 1) one LEFT JOIN issued i ON true
  WHERE i.challenge IS NOT NULL OR (EXISTS (SELECT 1 FROM key_taken) AND gangway_refuse('issue_challenge'))`,
);

/** Charges a try to each challenge that has one left. Locks their rows. */
const CHARGE = statement(
  'charge_challenges',
  `UPDATE webauthn_challenges w SET tries = w.tries + 1
  WHERE w.onboarding_id = $id::uuid AND w.challenge = ANY ($challenges::text[]) AND w.tries < $tries::int
    AND w.expires_at > clock_timestamp()
  RETURNING w.challenge`,
);

/** Deletes challenges whose time is over, oldest first. Locks their rows; one that is being used is left to the next run. */
const FORGET = statement(
  'forget_challenges',
  `DELETE FROM webauthn_challenges WHERE (onboarding_id, challenge) IN (
    SELECT onboarding_id, challenge FROM webauthn_challenges WHERE expires_at <= (SELECT clock_timestamp())
    ORDER BY expires_at LIMIT $limit::int FOR UPDATE SKIP LOCKED
  ) RETURNING 1`,
);

/** Challenges that were handed out for an onboarding: each good for one passkey, once, for a few minutes. */
@Injectable()
export class Challenges implements OnModuleInit {
  constructor(
    private readonly statements: PreparedStatements,
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
      const rows = await this.statements.run(FORGET, FORGET.bind({ limit: DELETE_BATCH }));
      forgotten += rows.length;
      if (rows.length < DELETE_BATCH) return forgotten;
    }
  }

  /**
   * @param key to be taken with it.
   * @returns a fresh challenge, unpadded base64url; null where the onboarding is gone or the key is taken.
   */
  async issue(id: string, key?: KeyToTake): Promise<string | null> {
    const values = ISSUE.bind({
      id,
      challenge: randomBytes(CHALLENGE_BYTES).toString('base64url'),
      lifeMs: this.lifeMs,
      outstanding: this.config.CHALLENGES_OUTSTANDING,
      keyCaller: key?.caller ?? null,
      route: key?.route ?? null,
      key: key?.key ?? null,
      keyFingerprint: key?.fingerprint ?? null,
      takenBy: key?.id ?? null,
      lockMs: key?.lockMs ?? null,
    });
    const [issued] = await this.statements.run<{ challenge: string }>(ISSUE, values);
    return issued?.challenge ?? null;
  }

  /**
   * Charges a try to each before any attestation is decoded. If a try were charged afterwards, many submissions at once
   * would all be decoded.
   *
   * @returns those that had one left.
   */
  async charge(id: string, challenges: readonly string[]): Promise<ReadonlySet<string>> {
    const values = CHARGE.bind({ id, challenges, tries: TRIES });
    const rows = await this.statements.run<{ challenge: string }>(CHARGE, values);
    return new Set(rows.map(({ challenge }) => challenge));
  }
}
