import { Inject, Injectable } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { MoreThan, type Repository } from 'typeorm';
import { PreparedStatements, isRefusal, violatedUniqueConstraint } from '#libs/database';
import { CONFIG, type Config } from '#libs/platform';
import type { NewEvent } from './onboarding-event.entity.js';
import type { StepName } from './machine.js';
import { OnboardingEvent } from './onboarding-event.entity.js';
import { Onboarding } from './onboarding.entity.js';
import { Bindings, SqlValue, assignments, columnOf, columnsOf, prepared, type Patch } from './statement.js';

/** A row, the database's time when it was read, and how long one more call may take: what can be done hangs on them. */
export type Row = Onboarding & { now: Date; callMs: number };

/**
 * More that a statement does, for the lib that owns it: one data-modifying query, all or nothing with the rest.
 * A `required` clause must return a row, or neither it nor anything after it is written; any other clause comes
 * after the change.
 */
export interface Clause {
  name: string;
  required: boolean;
  /** @param row the relation to read the onboarding from: empty unless all clauses before this one held. */
  write(bindings: Bindings, row: string): string;
}

/** A condition on the row `o`. */
export type Condition = (bindings: Bindings) => string;

export interface Change {
  id: string;
  /** What the writer saw: unless all of it still holds, nothing is written. */
  where: Condition[];
  patch: Patch;
  events: NewEvent[];
  clauses?: Clause[];
}

/** The only writer of onboardings and their timelines: one prepared statement a change. */
@Injectable()
export class OnboardingStore {
  /** What a select list adds to the columns of a row to make it a {@link Row}. */
  readonly asRead: string;

  constructor(
    private readonly statements: PreparedStatements,
    @InjectRepository(OnboardingEvent) private readonly timeline: Repository<OnboardingEvent>,
    @Inject(CONFIG) config: Config,
  ) {
    this.asRead = `clock_timestamp() AS "now", ${config.CALL_TIMEOUT_MS} AS "callMs"`;
  }

  async find(id: string): Promise<Row | null> {
    const text = `SELECT ${columnsOf('o')}, ${this.asRead} FROM onboardings o WHERE o.id = $1`;
    const [row] = await this.statements.run<Row>(prepared(text), [id]);
    return row ?? null;
  }

  /** A statement on the tables of the lib that asks, e.g. its limits. */
  query<Result>(text: string, values: unknown[]): Promise<Result[]> {
    return this.statements.run<Result>(prepared(text), values);
  }

  /** The subject's onboarding that has not ended, if any. */
  async findLive(integration: string, subjectKey: string): Promise<Row | null> {
    const text = `
      SELECT ${columnsOf('o')}, ${this.asRead} FROM onboardings o
      WHERE o.integration = $1 AND o.subject_key = $2 AND o.state NOT IN ('completed', 'failed', 'expired', 'cancelled')`;
    const [row] = await this.statements.run<Row>(prepared(text), [integration, subjectKey]);
    return row ?? null;
  }

  /**
   * Inserts a row with its first events.
   *
   * @returns the row; or what stood in its way: the subject's `live` onboarding, or a required clause that
   *   returned nothing. Then nothing was written.
   */
  async create(row: Patch, events: NewEvent[], clauses: Clause[] = []): Promise<Row | 'live' | 'refused'> {
    const bindings = new Bindings();
    const columns = assignments({ ...row, lastSeq: events.length }, bindings);
    const identity = columns.filter(({ column }) => IDENTITY.has(column));
    const chain = chained(clauses, bindings);
    const text = `
      WITH target AS (SELECT ${identity.map(({ column, value }) => `${value} AS ${column}`).join(', ')}),
      ${chain.ctes}
      changed AS (
        INSERT INTO onboardings AS o (${columns.map(({ column }) => column).join(', ')})
        SELECT ${columns.map(({ value }) => value).join(', ')} FROM ${chain.last}
        RETURNING o.*
      ),
      ${logged(events, bindings)}
      SELECT ${columnsOf('c')}, ${this.asRead} FROM changed c`;
    try {
      const [created] = await this.statements.run<Row>(prepared(text), bindings.values);
      return created ?? 'refused';
    } catch (error) {
      if (violatedUniqueConstraint(error) === 'onboardings_one_live_per_subject') return 'live';
      if (isRefusal(error)) return 'refused';
      throw error;
    }
  }

  /** @returns the row as written, or null where the row was not as the writer saw it (any more). */
  async change(change: Change): Promise<Row | null> {
    const bindings = new Bindings();
    const { events, clauses = [] } = change;
    const id = bindings.bind(change.id, 'uuid');
    const conditions = [`o.id = ${id}`, ...change.where.map((condition) => condition(bindings))].join(
      ' AND ',
    );
    const set = assignments(change.patch, bindings).map(({ column, value }) => `${column} = ${value}`);
    const nextState = change.patch.state;
    if (nextState instanceof SqlValue) throw new Error('a state is decided by the machine, not by SQL');
    if (nextState !== undefined) {
      set.push(`version = o.version + (o.state IS DISTINCT FROM ${bindings.bind(nextState, 'text')})::int`);
    }
    set.push(`last_seq = o.last_seq + ${events.length}`, 'updated_at = clock_timestamp()');
    const chain = chained(clauses, bindings);
    // A required clause must not act on a row that does not meet the conditions: the row is locked first.
    const target = `target AS (SELECT o.* FROM onboardings o WHERE ${conditions} FOR UPDATE),`;
    const text = `
      WITH ${chain.ctes ? target : ''}
      ${chain.ctes}
      changed AS (
        UPDATE onboardings o SET ${set.join(', ')}
        ${chain.ctes ? `FROM ${chain.last} t WHERE o.id = t.id` : `WHERE ${conditions}`}
        RETURNING o.*
      ),
      ${clauses
        .filter((clause) => !clause.required)
        .map((clause) => `${clause.name} AS (${clause.write(bindings, 'changed')}), `)
        .join('')}
      ${logged(events, bindings)}
      SELECT ${columnsOf('c')}, ${this.asRead} FROM changed c`;
    try {
      const [row] = await this.statements.run<Row>(prepared(text), bindings.values);
      return row ?? null;
    } catch (error) {
      if (isRefusal(error)) return null;
      throw error;
    }
  }

  /** Writes what a submission keeps. @returns whether the attempt is still the row's, and so it was written. */
  async keep({ id, attempt }: Row, sealedRequests: Buffer): Promise<boolean> {
    const text = `
      UPDATE onboardings SET sealed_requests = $3 WHERE id = $1 AND attempt = $2 AND lease_until > clock_timestamp()
      RETURNING id`;
    const kept = await this.statements.run(prepared(text), [id, attempt, sealedRequests]);
    return kept.length > 0;
  }

  /** The timeline after an event's number, oldest first. */
  events(onboardingId: string, after: number, limit: number): Promise<OnboardingEvent[]> {
    return this.timeline.find({
      where: { onboardingId, seq: MoreThan(after) },
      order: { seq: 'ASC' },
      take: limit,
    });
  }
}

/** What clauses read of an onboarding that is not there yet. */
const IDENTITY = new Set(['id', 'integration', 'subject_key']);

/** The required clauses one after the other, each on a relation that is empty once the first has not held. */
export function chained(clauses: Clause[], bindings: Bindings): { ctes: string; last: string } {
  let ctes = '';
  let last = 'target';
  for (const clause of clauses.filter(({ required }) => required)) {
    ctes += `${clause.name} AS (${clause.write(bindings, last)}), `;
    // The first clause may refuse in silence; a later one must take back what those before it have written.
    const refuse = last === 'target' ? 'false' : `gangway_refuse('${clause.name}')`;
    ctes += `after_${clause.name} AS (SELECT t.* FROM ${last} t
      WHERE CASE WHEN EXISTS (SELECT 1 FROM ${clause.name}) THEN true ELSE ${refuse} END), `;
    last = `after_${clause.name}`;
  }
  return { ctes, last };
}

/** The timeline of a change that the relation \`changed\` holds. */
const logged = (events: NewEvent[], bindings: Bindings) =>
  `logged AS (${insertEvents('changed', events, bindings)})`;

/**
 * Numbers the events after those there are. An attempt's own number is known only to the row.
 *
 * @param changed the relation that holds the row as it was changed, its last_seq counting the events already.
 */
export function insertEvents(changed: string, events: NewEvent[], bindings: Bindings): string {
  const types = bindings.bind(
    events.map((event) => event.type),
    'text[]',
  );
  const actors = bindings.bind(
    events.map((event) => event.actor),
    'text[]',
  );
  const data = bindings.bind(
    events.map((event) => JSON.stringify(event.data ?? {})),
    'text[]',
  );
  return `
    INSERT INTO onboarding_events (onboarding_id, seq, type, at, actor, data)
    SELECT c.id, c.last_seq - ${events.length} + e.ord, e.type, clock_timestamp(), e.actor,
      CASE WHEN e.type = 'attempt_started'
        THEN e.data::jsonb || jsonb_build_object('attempt', c.attempt, 'step', c.step, 'fingerprint', c.fingerprint)
        ELSE e.data::jsonb END
    FROM ${changed} c, unnest(${types}, ${actors}, ${data}) WITH ORDINALITY AS e (type, actor, data, ord)`;
}

/** What bounds a step besides the onboarding's life; idle time begins anew with the command. */
export const BOUND_OF = {
  'init-otp': null,
  'verify-otp': 'otpExpiresAt',
  'create-authenticators': 'sessionEndsAt',
} as const satisfies Record<StepName, keyof Onboarding | null>;

/** Conditions that writers share. */
export const where = {
  version:
    (...versions: number[]): Condition =>
    (b) =>
      `o.version = ANY (${b.bind(versions, 'int[]')})`,
  /** Nothing has happened since the row was read. The version is not enough, because an ended row keeps it. */
  lastSeq:
    (seq: number): Condition =>
    (b) =>
      `o.last_seq = ${b.bind(seq, 'int')}`,
  stateIn:
    (...states: string[]): Condition =>
    (b) =>
      `o.state = ANY (${b.bind(states, 'text[]')})`,
  attempt:
    (attempt: number): Condition =>
    (b) =>
      `o.attempt = ${b.bind(attempt, 'int')}`,
  notDue: (): Condition => () => 'o.deadline_at > clock_timestamp()',
  endsNoSoonerThan:
    (ms: number): Condition =>
    (b) =>
      `o.deadline_at >= clock_timestamp() + ${b.bind(ms, 'float8')} * interval '1 millisecond'`,
  /** No first call starts that cannot end before the onboarding does, and before what its step hangs on. */
  leavesTimeFor:
    (step: StepName, ms: number): Condition =>
    (b) =>
      `least(${[BOUND_OF[step], 'lifeEndsAt' as const].flatMap((bound) => (bound ? `o.${columnOf(bound)}` : [])).join(', ')})
        >= clock_timestamp() + ${b.bind(ms, 'float8')} * interval '1 millisecond'`,
  noLease: (): Condition => () => 'o.lease_until IS NULL',
  leaseHeld: (): Condition => () => 'o.lease_until IS NOT NULL',
  leaseLapsed: (): Condition => () => 'o.lease_until <= clock_timestamp()',
  tryIsDue: (): Condition => () => 'o.next_attempt_at <= clock_timestamp()',
} satisfies Record<string, (...args: never[]) => Condition>;
