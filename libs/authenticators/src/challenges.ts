import { randomBytes } from 'node:crypto';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import {
  Bindings,
  NOW,
  OnboardingStore,
  Retention,
  chained,
  columnsOf,
  type Clause,
  type Row,
} from '#libs/onboarding';
import { CONFIG, type Config } from '#libs/platform';

/** 32 random bytes, where WebAuthn asks for at least 16 (Level 3 §13.4.3). */
const CHALLENGE_BYTES = 32;
const DELETE_BATCH = 5_000;
/** How many submissions may use a challenge. After that, a browser needs a new one. */
const TRIES = 5;

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
    const text = `
      DELETE FROM webauthn_challenges WHERE (onboarding_id, challenge) IN (
        SELECT onboarding_id, challenge FROM webauthn_challenges WHERE expires_at <= ${NOW}
        ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED
      ) RETURNING 1`;
    for (let forgotten = 0; ;) {
      const rows = await this.store.query(text, [DELETE_BATCH]);
      forgotten += rows.length;
      if (rows.length < DELETE_BATCH) return forgotten;
    }
  }

  /**
   * @param along what must be written with it.
   * @returns a fresh challenge, unpadded base64url; null where what was to come along could not be written. The
   *   oldest makes room where too many are outstanding.
   */
  async issue(onboardingId: string, along?: Clause): Promise<string | null> {
    const b = new Bindings();
    const id = b.bind(onboardingId, 'uuid');
    const chain = chained(along ? [along] : [], b);
    const text = `
      -- Locked, or an erasure at the same moment would not see what is written here.
      WITH target AS (SELECT o.id FROM onboardings o WHERE o.id = ${id} AND o.erased_at IS NULL FOR SHARE),
      ${chain.ctes}
      outdated AS (
        DELETE FROM webauthn_challenges WHERE onboarding_id = ${id} AND challenge IN (
          SELECT challenge FROM (
            SELECT challenge, expires_at, row_number() OVER (ORDER BY expires_at DESC) AS position
            FROM webauthn_challenges WHERE onboarding_id = ${id}
          ) each WHERE expires_at <= clock_timestamp() OR position >= ${b.bind(this.config.CHALLENGES_OUTSTANDING, 'int')}
        )
      )
      INSERT INTO webauthn_challenges (onboarding_id, challenge, expires_at)
      SELECT t.id, ${b.bind(randomBytes(CHALLENGE_BYTES).toString('base64url'), 'text')},
        clock_timestamp() + ${b.bind(this.lifeMs, 'float8')} * interval '1 millisecond'
      FROM ${chain.last} t RETURNING challenge`;
    const [issued] = await this.store.query<{ challenge: string }>(text, b.values);
    return issued?.challenge ?? null;
  }

  /** The onboarding with its outstanding challenges, in one round trip; null where there is no such onboarding. */
  async find(onboardingId: string): Promise<{ row: Row; outstanding: ReadonlySet<string> } | null> {
    const text = `
      SELECT ${columnsOf('o')}, ${this.store.asRead}, ARRAY(
        SELECT c.challenge FROM webauthn_challenges c WHERE c.onboarding_id = o.id AND c.expires_at > clock_timestamp()
      ) AS challenges
      FROM onboardings o WHERE o.id = $1`;
    const [found] = await this.store.query<Row & { challenges: string[] }>(text, [onboardingId]);
    if (!found) return null;
    const { challenges, ...row } = found;
    return { row, outstanding: new Set(challenges) };
  }

  /**
   * Charges a try to each before any attestation is decoded. If a try were charged afterwards, many submissions at once
   * would all be decoded.
   *
   * @returns those that had one left.
   */
  async charge(onboardingId: string, challenges: readonly string[]): Promise<ReadonlySet<string>> {
    const text = `
      UPDATE webauthn_challenges SET tries = tries + 1
      WHERE onboarding_id = $1 AND challenge = ANY ($2::text[]) AND tries < ${TRIES} AND expires_at > clock_timestamp()
      RETURNING challenge`;
    const rows = await this.store.query<{ challenge: string }>(text, [onboardingId, challenges]);
    return new Set(rows.map(({ challenge }) => challenge));
  }

  /** Uses up the challenges of a submission: all of them or, where one is not outstanding any more, none. */
  use(challenges: string[]): Clause {
    return {
      name: 'challenges_used',
      required: true,
      write: (b, row) => {
        const given = b.bind(challenges, 'text[]');
        return `
        DELETE FROM webauthn_challenges c USING ${row} t
        WHERE c.onboarding_id = t.id AND c.challenge = ANY (${given})
          AND (SELECT count(*) FROM webauthn_challenges live WHERE live.onboarding_id = t.id
            AND live.challenge = ANY (${given}) AND live.expires_at > clock_timestamp()) = cardinality(${given})
        RETURNING c.challenge`;
      },
    };
  }
}
