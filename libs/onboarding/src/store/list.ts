import { ENDED_STATES, STATES, isEnded, type State } from '../flow/table.js';
import { SHOWN_COLUMNS } from './read-row.js';
import { isDueSql, isShownByTime, showsState } from './shown-state.js';

/** The filters of a list. Null and undefined: any. */
export interface Listed {
  callers: readonly string[] | null;
  integrations: readonly string[] | null;
  state: State | undefined;
  accountId: string | undefined;
  userId: string | undefined;
  externalRef: string | undefined;
  subjectKeys: readonly string[] | undefined;
  parked: boolean | undefined;
  /** The lowest id of the list, and the id below which all ids must be. */
  from: string;
  below: string;
  limit: number;
}

/** Adds a parameter. @returns the parameter in SQL. */
type Bind = (value: unknown, type: string) => string;

/** An index that ends with the id, and the keys to look for. */
interface Way {
  /** The index's expression before the id, in SQL. */
  key: string;
  keys: readonly string[];
  /** Whether the index is read for each key that begins with one of `keys`. */
  areBeginnings?: true;
  /** The condition of a partial index. */
  only?: string;
  /** Whether the key contains the written state. */
  hasState?: true;
}

/**
 * A list, newest first. The rows of one key are a stretch of an index. The statement reads a page from the
 * end of each stretch, and returns the newest of these rows. It checks filters outside the key on the way.
 *
 * PostgreSQL must not choose the index itself. It assumes that two common values often occur in the same
 * rows, and would read the table in the order of ids to find such rows. Only one index can return the order
 * that the statement asks for, and `CASE` hides the other conditions from PostgreSQL's estimates. The lower
 * bound of the ids is checked after a page is read: in the scan, PostgreSQL would skip older rows one by one.
 * Locks nothing.
 */
export function listStatement(listed: Listed): { text: string; values: unknown[] } {
  const values: unknown[] = [];
  const bind: Bind = (value, type) => `$${values.push(value)}::${type}`;
  const bounds = `${bind([listed.from], 'uuid[]')}, ${bind([listed.below], 'uuid[]')}`;
  const ids = `unnest(${bounds}) AS ids (first, beyond)`;
  const limit = bind(listed.limit, 'int');
  const way = wayTo(listed);
  const { written, byTime } = conditionsOf(listed, way, bind);
  const text = `${way?.areBeginnings ? `WITH RECURSIVE ${stretchesOf(way, bind)}` : ''}
SELECT ${SHOWN_COLUMNS.map((name) => `o.${name}`).join(', ')}, statement_timestamp() AS now
FROM (
  ${way ? pages(way, ids, limit, written, bind) : page(ids, limit, written)}
  ${byTime ? `UNION ALL ${dueRows(ids, byTime)}` : ''}
) o
ORDER BY o.id DESC LIMIT ${limit}`;
  return { text, values };
}

function pages(way: Way, ids: string, limit: string, conditions: readonly string[], bind: Bind): string {
  const { key, keys, areBeginnings, only } = way;
  const stretches = areBeginnings ? 'stretches' : `unnest(${bind(keys, 'text[]')}) AS stretches (key)`;
  return `SELECT o.* FROM ${stretches}
  CROSS JOIN ${ids} CROSS JOIN LATERAL (
    SELECT o.* FROM onboardings o
    WHERE (${key}, o.id) < (stretches.key, ids.beyond) AND ${key} >= stretches.key
      ${only ? `AND ${only}` : ''} AND ${hidden(conditions)}
    ORDER BY ${key} DESC, o.id DESC LIMIT ${limit}
  ) o WHERE o.id >= ids.first`;
}

/** @returns SQL for the newest of all rows. */
const page = (ids: string, limit: string, conditions: readonly string[]) => `
  SELECT o.* FROM ${ids} CROSS JOIN LATERAL (
    SELECT o.* FROM onboardings o WHERE o.id < ids.beyond AND ${hidden(conditions)}
    ORDER BY o.id DESC LIMIT ${limit}
  ) o WHERE o.id >= ids.first`;

/**
 * @returns SQL that finds the keys with one of the prefixes. The SQL jumps in the index from key to key.
 */
function stretchesOf({ key, keys, only }: Way, bind: Bind): string {
  return `stretches (beginning, key) AS (
  SELECT beginning, beginning COLLATE "C" FROM unnest(${bind(keys, 'text[]')}) AS beginning
  UNION ALL
  SELECT stretches.beginning, next.key FROM stretches CROSS JOIN LATERAL (
    SELECT ${key} AS key FROM onboardings o WHERE ${key} > stretches.key ${only ? `AND ${only}` : ''}
    ORDER BY ${key} LIMIT 1
  ) next
  WHERE starts_with(next.key, stretches.beginning)
)`;
}

/**
 * Chooses the index. Prefers a filter that few rows match: user, contact, reference, account.
 *
 * @returns null if no filter has an index: then the primary key is read.
 */
function wayTo({ callers, integrations, state, ...listed }: Listed): Way | null {
  const { userId, subjectKeys, externalRef, accountId, parked } = listed;
  if (userId !== undefined) return { key: `(o.subject ->> 'userId')`, keys: [userId] };
  if (subjectKeys) return { key: 'o.subject_key', keys: subjectKeys, only: IS_BLIND };
  if (externalRef !== undefined) {
    return { key: 'o.external_ref', keys: [externalRef], only: 'o.external_ref IS NOT NULL' };
  }
  if (accountId !== undefined) return { key: `(o.subject ->> 'accountId')`, keys: [accountId] };
  if (parked) {
    const any = { keys: [''], areBeginnings: true } as const;
    const which = integrations ? { keys: integrations } : any;
    return { key: '(o.integration COLLATE "C")', only: 'o.parked_reason IS NOT NULL', ...which };
  }
  if (!callers && !state && !integrations) return null;
  const [key, owners] = callers ? [OF_CALLER, callers.map((caller) => `${caller}\n`)] : [OF_STATE, ['']];
  const ofStates = (states: readonly State[]) =>
    owners.flatMap((owner) => states.map((each) => `${owner}${each}/`));
  if (integrations) {
    const keys = ofStates(state ? [state] : STATES).flatMap((begin) =>
      integrations.map((each) => begin + each),
    );
    return { key, keys, hasState: true };
  }
  return { key, keys: state ? ofStates([state]) : owners, areBeginnings: true, hasState: true };
}

/**
 * The same expressions as in the indexes `onboardings_by_state` and `onboardings_by_caller`. Statements of
 * claims cannot use these indexes.
 */
export const OF_STATE = `((o.state || '/' || o.integration) COLLATE "C")`;
const OF_CALLER = `((o.caller || E'\\n' || o.state || '/' || o.integration) COLLATE "C")`;

/** The same condition as in the index `onboardings_by_contact`. */
const IS_BLIND = `starts_with(o.subject_key, 'blind:')`;

/** @returns SQL for whether the row `o` has a written state. The SQL can use the index of states. */
export const isWritten = (state: State): string => `starts_with(${OF_STATE}, '${state}/')`;

/** A row past its deadline is no longer parked, even before its end is written. */
const IS_PARKED = `o.parked_reason IS NOT NULL AND (${isDueSql}) IS NOT TRUE`;

/**
 * @returns the conditions on rows of the index, and on rows that are in the state only by time. The latter
 *   are null if there are none, or the index does not contain the state.
 */
function conditionsOf(listed: Listed, way: Way | null, bind: Bind) {
  const { state } = listed;
  const fits = filtersOf(listed, bind);
  if (!state) return { written: fits, byTime: null };
  const shows = () => showsState(state, bind(state, 'text'));
  if (!way?.hasState) return { written: [...fits, shows()], byTime: null };
  return {
    written: isEnded(state) ? fits : [...fits, `NOT (${isDueSql})`],
    byTime: isShownByTime(state) ? [...fits, shows()] : null,
  };
}

/** All filters except the state and the ids. */
function filtersOf(listed: Listed, bind: Bind): string[] {
  const { callers, integrations, accountId, userId, externalRef, subjectKeys, parked } = listed;
  return [
    callers && `o.caller = ANY (${bind(callers, 'text[]')})`,
    integrations && `o.integration = ANY (${bind(integrations, 'text[]')})`,
    accountId !== undefined && `o.subject ->> 'accountId' = ${bind(accountId, 'text')}`,
    userId !== undefined && `o.subject ->> 'userId' = ${bind(userId, 'text')}`,
    externalRef !== undefined && `o.external_ref = ${bind(externalRef, 'text')}`,
    subjectKeys && `${IS_BLIND} AND o.subject_key = ANY (${bind(subjectKeys, 'text[]')})`,
    parked !== undefined && `${parked ? '' : 'NOT '}(${IS_PARKED})`,
  ].filter((condition) => typeof condition === 'string');
}

/**
 * Rows whose deadline has passed but whose new state is not written: few, while a worker runs. If the expiry
 * could not move a row, the expiry has set a later `due_at`, and the row is not listed. `BETWEEN` makes
 * PostgreSQL expect few rows.
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
