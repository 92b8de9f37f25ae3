import { ENDED_STATES, STATES, isEnded, type State } from '../flow/table.js';
import { SHOWN_COLUMNS } from './read-row.js';
import { isDueSql, isShownByTime, showsState } from './shown-state.js';

/** What a list is asked for. Null and undefined: any. */
export interface Listed {
  callers: readonly string[] | null;
  integrations: readonly string[] | null;
  state: State | undefined;
  accountId: string | undefined;
  userId: string | undefined;
  externalRef: string | undefined;
  subjectKeys: readonly string[] | undefined;
  parked: boolean | undefined;
  /** The ids: from this one on, and below that one. */
  from: string;
  below: string;
  limit: number;
}

/** Adds a parameter. @returns it as SQL has it. */
type Bind = (value: unknown, type: string) => string;

/**
 * An index that ends with the id, and the values to look for in its other columns. Null: each integration that it has.
 * `only`: the condition of a partial index. `hasState`: one of its columns is the state, as it is written.
 */
interface Way {
  key: readonly (readonly [column: string, values: readonly string[] | null])[];
  only?: string;
  hasState?: true;
}

/**
 * A list, newest first. Each combination of values is one stretch of an index. A page is read from the end of each stretch,
 * and the newest of these rows are the page. So a list reads no more than a page per stretch, also if it finds nothing.
 *
 * PostgreSQL must not choose the index: it expects that two common values have rows in common, and then reads the table
 * along the ids to find some. Only one index has the order of a whole key, and `CASE` hides the other conditions from its
 * estimates. Locks nothing.
 */
export function listStatement(listed: Listed): { text: string; values: unknown[] } {
  const values: unknown[] = [];
  const bind: Bind = (value, type) => `$${values.push(value)}::${type}`;
  const ids = `unnest(${bind([listed.from], 'uuid[]')}, ${bind([listed.below], 'uuid[]')}) AS ids (first, beyond)`;
  const limit = bind(listed.limit, 'int');
  const text = `${rowsOf(listed, ids, limit, bind)}
ORDER BY o.id DESC LIMIT ${limit}`;
  return { text, values };
}

function rowsOf(listed: Listed, ids: string, limit: string, bind: Bind): string {
  const way = wayTo(listed);
  const { integrations, stretches, key } = stretchesOf(way, bind);
  const columns = [...way.key.map(([column]) => column), 'o.id'];
  const { written, byTime } = conditionsOf(listed, way, bind);
  return `${integrations}
SELECT ${SHOWN_COLUMNS.map((name) => `o.${name}`).join(', ')}, statement_timestamp() AS now
FROM (
  SELECT o.* FROM ${[...stretches, ids].join(' CROSS JOIN ')}
  CROSS JOIN LATERAL (
    SELECT o.* FROM onboardings o
    WHERE (${columns.join(', ')}) < (${[...key, 'ids.beyond'].join(', ')})
      AND (${columns.join(', ')}) >= (${[...key, 'ids.first'].join(', ')})
      ${way.only ? `AND ${way.only}` : ''} AND ${hidden(written)}
    ORDER BY ${columns.map((column) => `${column} DESC`).join(', ')} LIMIT ${limit}
  ) o
  ${byTime ? `UNION ALL ${dueRows(ids, byTime)}` : ''}
) o`;
}

/** The index to read: first those of which a person, a reference or an account has few rows. */
function wayTo({ callers, integrations, state, ...listed }: Listed): Way {
  const { userId, subjectKeys, externalRef, accountId, parked } = listed;
  if (userId !== undefined) return { key: [[`(o.subject ->> 'userId')`, [userId]]] };
  if (subjectKeys) return { key: [['o.subject_key', subjectKeys]], only: IS_BLIND };
  if (externalRef !== undefined) {
    return { key: [['o.external_ref', [externalRef]]], only: 'o.external_ref IS NOT NULL' };
  }
  if (accountId !== undefined) return { key: [[`(o.subject ->> 'accountId')`, [accountId]]] };
  if (parked) return { key: [['o.integration', integrations]], only: 'o.parked_reason IS NOT NULL' };
  const ofCaller: Way['key'] = callers ? [['o.caller', callers]] : [];
  if (!state && !integrations) return { key: ofCaller };
  const states = state ? [state] : STATES;
  return { key: [...ofCaller, ['o.state', states], ['o.integration', integrations]], hasState: true };
}

/** As the index `onboardings_by_contact` has it. */
const IS_BLIND = `starts_with(o.subject_key, 'blind:')`;

/** A row whose time is over is no longer parked, although its end may not be written yet. */
const IS_PARKED = `o.parked_reason IS NOT NULL AND (${isDueSql}) IS NOT TRUE`;

/**
 * @returns the conditions on rows of the index, and on rows that only the time has brought into the state; null if there
 *   are none, or the index does not have the state.
 */
function conditionsOf(listed: Listed, { hasState }: Way, bind: Bind) {
  const { state } = listed;
  const fits = filtersOf(listed, bind);
  if (!state) return { written: fits, byTime: null };
  const shows = () => showsState(state, bind(state, 'text'));
  if (!hasState) return { written: [...fits, shows()], byTime: null };
  return {
    written: isEnded(state) ? fits : [...fits, `NOT (${isDueSql})`],
    byTime: isShownByTime(state) ? [...fits, shows()] : null,
  };
}

/** All filters but the state and the ids. */
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
 * Rows that the time has brought into a state, before their expiry was written: few, while a worker runs. A row that the
 * expiry has pushed back is missing: the time cannot move it, so it shows no state. PostgreSQL expects few rows of a range
 * whose ends it does not know.
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

/** @returns a relation per column of the key, the columns of these relations, and what precedes the statement. */
function stretchesOf(way: Way, bind: Bind): { integrations: string; stretches: string[]; key: string[] } {
  const key = way.key.map((_, n) => `key_${n}.value`);
  const known = way.key.flatMap(([, values], n) =>
    values ? [`unnest(${bind(values, 'text[]')}) AS key_${n} (value)`] : [],
  );
  if (known.length === key.length) return { integrations: '', stretches: known, key };
  const stored = `(SELECT value FROM integrations WHERE value <> '') AS key_${known.length} (value)`;
  return { integrations: integrationsOf(way, known, key), stretches: [...known, stored], key };
}

/** The integrations in an index, where the columns before them have one value each: from each one to the next. */
function integrationsOf({ key, only }: Way, known: string[], names: string[]): string {
  const columns = key.map(([column]) => column);
  const [before, values] = [columns.slice(0, -1).join(', '), names.slice(0, -1)];
  return `WITH RECURSIVE integrations (value) AS (
  SELECT ''::text
  UNION ALL
  SELECT next.value FROM ${['integrations', ...known].join(' CROSS JOIN ')}
  CROSS JOIN LATERAL (
    SELECT o.integration AS value FROM onboardings o
    WHERE (${columns.join(', ')}) > (${[...values, 'integrations.value'].join(', ')})
      ${before && `AND (${before}) <= (${values.join(', ')})`} ${only ? `AND ${only}` : ''}
    ORDER BY ${columns.join(', ')} LIMIT 1
  ) next
)`;
}
