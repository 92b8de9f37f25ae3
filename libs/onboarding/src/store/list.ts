import type { ParkedReason } from '../flow/codes.js';
import {
  ENDED_STATES,
  STATES,
  STEPS,
  isEnded,
  stateOfStep,
  type State,
  type StepName,
} from '../flow/table.js';
import { SHOWN_COLUMNS } from './read-row.js';
import { isDueSql, isShownByTime, showsOneOf } from './shown-state.js';
import { stretchesSql, type KeyedIndex } from './stretches.js';

/** Null and undefined allow any value. */
export interface Listed {
  callers: readonly string[] | null;
  integrations: readonly string[] | null;
  states: readonly State[] | undefined;
  accountId: string | undefined;
  organizationId: string | undefined;
  userId: string | undefined;
  externalRef: string | undefined;
  subjectKeys: readonly string[] | undefined;
  step: StepName | undefined;
  parked: boolean | undefined;
  parkedReason: ParkedReason | undefined;
  waiting: boolean;
  endedUnresolved: boolean;
  /** The lowest id, and the id below which all ids must be. */
  from: string;
  below: string;
  /** `newest first` may read and sort all matching rows. `any` stops reading at the limit. */
  order: 'newest first' | 'any';
  limit: number;
}

/** Adds a parameter. @returns the parameter in SQL. */
type Bind = (value: unknown, type: string) => string;

interface Way extends KeyedIndex {
  keys: readonly string[];
  /** Whether `keys` are only the beginnings of the keys to look for. */
  areBeginnings?: true;
  /** Whether the index holds hashes. Then, a condition also compares the value itself. */
  isHashed?: true;
  /** Whether the key contains the stored state. */
  hasState?: true;
}

/**
 * Makes the statement that reads a list, newest first (docs/decisions/0030). The rows with the same key are
 * adjacent in an index: a "stretch". The statement reads a page from the end of each stretch, and returns the
 * newest of these rows. Locks nothing.
 *
 * PostgreSQL must not choose the index itself: it assumes that common values often occur together, and would
 * read the table in the order of ids. So the statement asks for an order that only one index has, and `CASE`
 * hides the other conditions from PostgreSQL's estimates.
 */
export function listStatement(given: Listed): { text: string; values: unknown[] } {
  const listed = { ...given, states: statesWith(given) };
  const values: unknown[] = [];
  const bind: Bind = (value, type) => `$${values.push(value)}::${type}`;
  const bounds = `${bind([listed.from], 'uuid[]')}, ${bind([listed.below], 'uuid[]')}`;
  const ids = `unnest(${bounds}) AS ids (first, beyond)`;
  const limit = bind(listed.limit, 'int');
  const way = wayTo(listed);
  const { written, byTime } = conditionsOf(listed, way, bind);
  const text = `${way?.areBeginnings ? `WITH RECURSIVE ${stretchesSql(way, bind(way.keys, 'text[]'))}` : ''}
SELECT ${SHOWN_COLUMNS.map((name) => `o.${name}`).join(', ')}, statement_timestamp() AS now
FROM (
  ${way ? pages(way, ids, limit, written, bind) : page(ids, limit, written)}
  ${byTime ? `UNION ALL ${dueRows(ids, byTime)}` : ''}
) o
${listed.order === 'any' ? '' : 'ORDER BY o.id DESC'} LIMIT ${limit}`;
  return { text, values };
}

function pages(way: Way, ids: string, limit: string, conditions: readonly string[], bind: Bind): string {
  const { key, keys, areBeginnings, isHashed, only } = way;
  const given = () =>
    `(SELECT ${isHashed ? hashOf('key') : 'key'} FROM unnest(${bind(keys, 'text[]')}) AS key)`;
  const stretches = areBeginnings ? 'stretches' : `${given()} AS stretches (key)`;
  return `SELECT o.* FROM ${stretches}
  CROSS JOIN ${ids} CROSS JOIN LATERAL (
    SELECT o.* FROM onboardings o
    WHERE (${key}, o.id) < (stretches.key, ids.beyond) AND ${key} >= stretches.key
      ${only ? `AND ${only}` : ''} AND ${hidden(conditions)}
    ORDER BY ${key} DESC, o.id DESC LIMIT ${limit}
  ) o WHERE o.id >= ids.first`;
}

/** Uses the index of the primary key. */
const page = (ids: string, limit: string, conditions: readonly string[]) => `
  SELECT o.* FROM ${ids} CROSS JOIN LATERAL (
    SELECT o.* FROM onboardings o WHERE o.id < ids.beyond AND ${hidden(conditions)}
    ORDER BY o.id DESC LIMIT ${limit}
  ) o WHERE o.id >= ids.first`;

/** Adds the states of a requested step. Without any state, PostgreSQL would search all rows. */
function statesWith({ states, step }: Pick<Listed, 'states' | 'step'>): readonly State[] | undefined {
  if (step === undefined) return states;
  const having: readonly State[] = [stateOfStep(step), 'outcome_unknown'];
  return states ? having.filter((state) => states.includes(state)) : having;
}

/** Prefers a filter that few rows match. @returns null for the index of the primary key. */
function wayTo({ callers, integrations, states, ...listed }: Listed): Way | null {
  const { userId, subjectKeys, externalRef, accountId, organizationId, endedUnresolved } = listed;
  if (userId !== undefined) return { key: OF_USER, keys: [userId], isHashed: true };
  if (subjectKeys) return { key: 'o.subject_key', keys: subjectKeys, only: IS_BLIND };
  if (externalRef !== undefined) {
    return { key: 'o.external_ref', keys: [externalRef], only: 'o.external_ref IS NOT NULL' };
  }
  const organization = organizationId ?? accountId;
  if (organization !== undefined) return { key: OF_ORGANIZATION, keys: [organization], isHashed: true };
  const any = { keys: [''], areBeginnings: true } as const;
  const isParked = listed.parked || listed.parkedReason !== undefined;
  if (isParked || endedUnresolved) {
    return {
      key: '(o.integration COLLATE "C")',
      only: isParked ? 'o.parked_reason IS NOT NULL' : IS_ENDED_UNRESOLVED,
      ...(integrations ? { keys: integrations } : any),
    };
  }
  if (listed.waiting) {
    const beginnings = (listed.step === undefined ? STEPS : [listed.step]).map((step) => `${step}/`);
    if (!integrations) return { ...WAITING, keys: beginnings, areBeginnings: true };
    return { ...WAITING, keys: beginnings.flatMap((begin) => integrations.map((each) => begin + each)) };
  }
  if (!callers && !states && !integrations) return null;
  const [key, owners] = callers ? [OF_CALLER, callers.map((caller) => `${caller}\n`)] : [OF_STATE, ['']];
  const beginnings = (chosen: readonly State[]) =>
    owners.flatMap((owner) => chosen.map((each) => `${owner}${each}/`));
  if (integrations) {
    const keys = beginnings(states ?? STATES).flatMap((begin) => integrations.map((each) => begin + each));
    return { key, keys, hasState: true };
  }
  return { key, keys: states ? beginnings(states) : owners, areBeginnings: true, hasState: true };
}

/**
 * The expressions of the indexes `onboardings_by_state` and `onboardings_by_caller`. Statements that begin an
 * attempt compare plain columns, so that PostgreSQL finds their row by its id, not by these indexes.
 */
export const OF_STATE = `((o.state || '/' || o.integration) COLLATE "C")`;
const OF_CALLER = `((o.caller || E'\\n' || o.state || '/' || o.integration) COLLATE "C")`;

const hashOf = (text: string) => `hashtextextended(${text}, 0)`;

/**
 * The expressions of the indexes `onboardings_user` and `onboardings_organization`. Each provider uses one of
 * the two names of the organization.
 */
const OF_USER = hashOf(`o.subject ->> 'userId'`);
const OF_ORGANIZATION = hashOf(`coalesce(o.subject ->> 'accountId', o.subject ->> 'organizationId')`);

/** The condition of the index `onboardings_ended_unresolved`. */
export const IS_ENDED_UNRESOLVED = `o.state IN (${ENDED_STATES.map((state) => `'${state}'`).join(', ')})
  AND o.unresolved <> '[]' AND o.erased_at IS NULL`;

/** The expression and condition of the index `onboardings_waiting`. */
export const WAITING = {
  key: `((o.step || '/' || o.integration) COLLATE "C")`,
  only: 'o.next_attempt_at IS NOT NULL AND num_nonnulls(o.lease_until, o.parked_reason) = 0',
} as const satisfies KeyedIndex;

/** The condition of the index `onboardings_by_contact`. */
const IS_BLIND = `starts_with(o.subject_key, 'blind:')`;

/** SQL that can use the index of states. */
export const isWritten = (state: State): string => `starts_with(${OF_STATE}, '${state}/')`;

/** A row past its deadline is no longer parked, even before its new state is written. */
const IS_PARKED = `o.parked_reason IS NOT NULL AND (${isDueSql}) IS NOT TRUE`;

/**
 * @returns `written`: for rows whose stored state is requested. `byTime`: for rows that are in a requested
 *   state only because a deadline has passed; null if there are none, or if the index does not contain the
 *   state.
 */
function conditionsOf(listed: Listed, way: Way | null, bind: Bind) {
  const { states } = listed;
  const fits = filtersOf(listed, bind);
  if (!states) return { written: fits, byTime: null };
  const shows = () => showsOneOf(states, bind(states, 'text[]'));
  if (!way?.hasState) return { written: [...fits, shows()], byTime: null };
  return {
    written: states.every(isEnded) ? fits : [...fits, `NOT (${isDueSql})`],
    byTime: states.some(isShownByTime) ? [...fits, shows()] : null,
  };
}

function filtersOf(listed: Listed, bind: Bind): string[] {
  const { callers, integrations, accountId, organizationId, userId, externalRef, subjectKeys } = listed;
  const { step, parked, parkedReason, waiting, endedUnresolved } = listed;
  return [
    callers && `o.caller = ANY (${bind(callers, 'text[]')})`,
    integrations && `o.integration = ANY (${bind(integrations, 'text[]')})`,
    accountId !== undefined && `o.subject ->> 'accountId' = ${bind(accountId, 'text')}`,
    organizationId !== undefined && `o.subject ->> 'organizationId' = ${bind(organizationId, 'text')}`,
    userId !== undefined && `o.subject ->> 'userId' = ${bind(userId, 'text')}`,
    externalRef !== undefined && `o.external_ref = ${bind(externalRef, 'text')}`,
    subjectKeys && `${IS_BLIND} AND o.subject_key = ANY (${bind(subjectKeys, 'text[]')})`,
    step !== undefined && `o.step = ${bind(step, 'text')}`,
    parkedReason !== undefined && `${IS_PARKED} AND o.parked_reason = ${bind(parkedReason, 'text')}`,
    waiting && `${WAITING.only} AND (${isDueSql}) IS NOT TRUE`,
    parked !== undefined && `${parked ? '' : 'NOT '}(${IS_PARKED})`,
    endedUnresolved && IS_ENDED_UNRESOLVED,
  ].filter((condition) => typeof condition === 'string');
}

/**
 * Rows whose deadline has passed but whose new state is not written. `BETWEEN` makes PostgreSQL expect few.
 * Leaves out rows whose new state could not be computed, because their `due_at` is later.
 */
const dueRows = (ids: string, conditions: readonly string[]) => `
  SELECT o.* FROM onboardings o CROSS JOIN ${ids}
  WHERE o.state NOT IN (${ENDED_STATES.map((state) => `'${state}'`).join(', ')})
    AND o.due_at BETWEEN '-infinity' AND (SELECT statement_timestamp())
    AND ${hidden([isDueSql, 'o.id >= ids.first AND o.id < ids.beyond', ...conditions])}`;

const hidden = (conditions: readonly string[]) =>
  conditions.length === 0
    ? 'true'
    : `CASE WHEN ${conditions.map((each) => `(${each})`).join(' AND ')} THEN true END`;
