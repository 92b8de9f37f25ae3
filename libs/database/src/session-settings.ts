/** `none`: no pooler, or one in session mode. `transaction`: each transaction may get another connection. */
export type Pooler = 'none' | 'transaction';

/**
 * These override the settings of the role and the database.
 *
 * Sequential scans, hash joins and merge joins are off, because a plan for a nearly empty table would later
 * read the whole table. Custom plans and JIT compilation take longer than the statements.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  search_path: 'public, pg_temp',
  datestyle: 'ISO, MDY',
  intervalstyle: 'postgres',
  timezone: 'UTC',
  bytea_output: 'hex',
  extra_float_digits: '1',
  standard_conforming_strings: 'on',
  array_nulls: 'on',
  transform_null_equals: 'off',
  exit_on_error: 'off',
  enable_seqscan: 'off',
  enable_hashjoin: 'off',
  enable_mergejoin: 'off',
  plan_cache_mode: 'force_generic_plan',
  jit: 'off',
  lock_timeout: '0',
  transaction_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0',
};

/** Never `off`: if a crash lost the commit of a claim, the claim's request could be sent twice. */
const DURABLE = `CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
  ELSE current_setting('synchronous_commit') END`;

/** An invalid timeout, so that PostgreSQL refuses the settings. */
const TOO_LATE = 'too late';

/** Milliseconds until the time `$1` on PostgreSQL's clock. */
const LEFT = `$1::float8 - extract(epoch FROM clock_timestamp())::float8 * 1000`;

export function sessionSettings(statementTimeoutMs: number): string {
  const isolation = ['default_transaction_isolation', `'read committed'`] as const;
  return settingsText(`'${statementTimeoutMs}'`, false, [isolation]);
}

/**
 * @param until `deadline`: the statement must end before PostgreSQL's clock reaches `$1`.
 * @returns SQL whose last column is PostgreSQL's time, in milliseconds since the epoch.
 */
export function transactionSettings(until: { timeoutMs: number } | 'deadline'): string {
  const timeout =
    until === 'deadline'
      ? `CASE WHEN ${LEFT} < 1 THEN '${TOO_LATE}' ELSE greatest(ceil(${LEFT}), 1)::int::text END`
      : `'${until.timeoutMs}'`;
  return `${settingsText(timeout, true)}, (extract(epoch FROM clock_timestamp()) * 1000)::bigint`;
}

/** Whether the deadline had passed. If so, PostgreSQL has not run the statement. */
export const isTooLate = (error: { code?: unknown; message: string }): boolean =>
  error.code === '22023' && error.message.includes(`"${TOO_LATE}"`);

function settingsText(timeout: string, isLocal: boolean, more: (readonly [string, string])[] = []): string {
  const values = [
    ...Object.entries(SETTINGS).map(([name, value]) => [name, `'${value}'`]),
    ['statement_timeout', timeout],
    ['synchronous_commit', DURABLE],
    ...more,
  ];
  return `SELECT ${values.map(([name, value]) => `set_config('${name}', ${value}, ${isLocal})`).join(', ')}`;
}
