import { Inject, Injectable } from '@nestjs/common';
import { PreparedStatements, prepared } from '#libs/database';
import { RANDOM, type Random } from '#libs/kernel';
import { CONFIG, type Config } from '#libs/platform';

/** The wait between two trials doubles at most this many times. */
const DOUBLINGS = 4;
/**
 * The largest random share added to each wait, so that integrations that failed together are not tried
 * together.
 */
const JITTER = 0.25;

const BEGIN = `
  INSERT INTO integration_trials AS t (integration, tries, next_at, released_at, released)
  SELECT $1, 1, now + $2::float8 * 2 * interval '1 millisecond', now, '{}' FROM clock_timestamp() now
  ON CONFLICT (integration) DO UPDATE SET
    tries = t.tries + 1,
    next_at = clock_timestamp()
      + $2::float8 * power(2, least(t.tries + 1, $3::int)) * interval '1 millisecond',
    released_at = clock_timestamp(), released = '{}'
  WHERE t.next_at <= clock_timestamp()
  RETURNING t.integration`;

const RELEASED = `
  UPDATE integration_trials SET released = $2::uuid[] WHERE integration = $1 RETURNING integration`;

const SUCCEEDED = `
  SELECT EXISTS (
    SELECT 1 FROM integration_trials t JOIN onboarding_events e ON e.onboarding_id = ANY (t.released)
    WHERE t.integration = $1 AND e.type = 'attempt_ended' AND e.at >= t.released_at
      AND e.data ->> 'class' = 'ok'
  ) AS succeeded`;

const FORGET = `DELETE FROM integration_trials WHERE integration = $1`;
const FORGET_OVER = `
  DELETE FROM integration_trials WHERE integration <> ALL ($1::text[]) AND next_at <= clock_timestamp()`;

/**
 * Tests integrations whose probe has no clear result. A trial releases a few parked onboardings, to see
 * whether a call succeeds. Of several workers, only one begins a due trial.
 */
@Injectable()
export class Trials {
  constructor(
    private readonly statements: PreparedStatements,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(RANDOM) private readonly random: Random,
  ) {}

  /** @returns whether a trial was due, and began. */
  async begin(integration: string): Promise<boolean> {
    const waitMs = this.config.PROBE_EVERY_MS * (1 + JITTER * this.random.next());
    const begun = await this.statements.run(prepared(BEGIN), [integration, waitMs, DOUBLINGS]);
    return begun.length > 0;
  }

  async released(integration: string, ids: string[]): Promise<void> {
    await this.statements.run(prepared(RELEASED), [integration, ids]);
  }

  /**
   * Whether an onboarding that the trial released has had a successful call. A refusal does not count,
   * because the provider may refuse a call before it checks the key.
   */
  async succeeded(integration: string): Promise<boolean> {
    const [row] = await this.statements.run<{ succeeded: boolean }>(prepared(SUCCEEDED), [integration]);
    return row?.succeeded ?? false;
  }

  async forget(integration: string): Promise<void> {
    await this.statements.run(prepared(FORGET), [integration]);
  }

  /** Deletes the due trials of all integrations except the given ones, which have parked onboardings. */
  async forgetAllBut(integrations: string[]): Promise<void> {
    await this.statements.run(prepared(FORGET_OVER), [integrations]);
  }
}
