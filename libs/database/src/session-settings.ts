/**
 * `none`: no pooler before PostgreSQL, or one in session mode. `transaction`: each transaction may get
 * another server connection.
 */
export type Pooler = 'none' | 'transaction';

/**
 * What changes a statement's reads, writes or waits: a role or a database may have its own values.
 *
 * A kept plan that was made while a table was nearly empty reads the whole table until the next ANALYZE. So
 * sequential scans, hash joins and merge joins are off where an index can be used. Planning for each set of
 * values, or compiling, takes longer than the statements themselves.
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

/**
 * Never `off`: if a crash lost the commit of a claim, its request could be sent twice. Other values stay
 * unchanged.
 */
const DURABLE = `CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on'
  ELSE current_setting('synchronous_commit') END`;

/** An invalid value for a timeout: PostgreSQL refuses the statement with it. */
const TOO_LATE = 'too late';

/** How many milliseconds are left until the instant `$1` on PostgreSQL's clock. */
const LEFT = `$1::float8 - extract(epoch FROM clock_timestamp())::float8 * 1000`;

/** The statement that sets all settings of a session. */
export function sessionSettings(statementTimeoutMs: number): string {
  const isolation = ['default_transaction_isolation', `'read committed'`] as const;
  return settingsText(`'${statementTimeoutMs}'`, false, [isolation]);
}

/**
 * Sets all settings of a transaction. Its last column is PostgreSQL's clock, in milliseconds since the
 * epoch.
 *
 * @param until `deadline`: the next statement must end by the instant `$1` on that clock, after which this
 * one fails: see {@link isTooLate}.
 */
export function transactionSettings(until: { timeoutMs: number } | 'deadline'): string {
  const timeout =
    until === 'deadline'
      ? `CASE WHEN ${LEFT} < 1 THEN '${TOO_LATE}' ELSE greatest(ceil(${LEFT}), 1)::int::text END`
      : `'${until.timeoutMs}'`;
  return `${settingsText(timeout, true)}, (extract(epoch FROM clock_timestamp()) * 1000)::bigint`;
}

/**
 * Whether the settings failed because the deadline has passed. PostgreSQL has not run the statement after
 * them.
 */
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
