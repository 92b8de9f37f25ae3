import type { Writable } from 'node:stream';
import { Client, Query, type ClientConfig, type QueryConfig } from 'pg';
import { isConnectionLost, isReadOnly } from './database-fault.js';
import { JointQuery, NamedQueries, NamedQuery, type Done, type Part } from './named-query.js';
import { ServerClock } from './server-clock.js';
import { sessionSettings, type Pooler } from './session-settings.js';
import { SettledQuery } from './settled-query.js';

export interface ClientTerms extends ClientConfig {
  pooler: Pooler;
  /** After this time, PostgreSQL cancels a statement; 0 for never. */
  statementTimeoutMs: number;
}

type Asked = string | QueryConfig | { submit: unknown };

/**
 * node-postgres's `Client`, typed with one signature of `query` instead of six, so that the class below can
 * override it. Callers use the type `PoolClient`, which has all six.
 */
const Base = Client as unknown as new (config: ClientConfig) => Omit<Client, 'query'> & {
  query(config: Asked, values?: unknown, callback?: unknown): unknown;
};

/** A member of node-postgres's `Client` that is missing in its types. */
interface Inside {
  connection: { stream: Writable; parsedStatements: Record<string, string> };
}

/**
 * A connection whose statements run under Gangway's settings, not under the settings of the role or the
 * database. The connection knows whether it may be used again.
 */
export class DatabaseClient extends Base {
  readonly #pooler: Pooler;
  readonly #statementTimeoutMs: number;
  readonly #clock = new ServerClock();
  readonly #named = new NamedQueries();
  readonly #answerWithinMs: number | undefined;
  #isUnusable = false;
  /** The id of the PostgreSQL process that serves this session. */
  backendPid: number | null = null;
  /** Called when the server reports that it is read-only. */
  onReadOnly: () => void = () => undefined;

  constructor({ pooler, statementTimeoutMs, query_timeout, ...config }: ClientTerms) {
    super({ ...config, pipeline: pooler === 'none' } as ClientConfig);
    this.#answerWithinMs = query_timeout;
    this.#pooler = pooler;
    this.#statementTimeoutMs = statementTimeoutMs;
    // If the connection breaks, its statements reject. Without this listener, the process would end as well.
    this.on('error', () => undefined);
  }

  /** Whether the connection must not be used again: it broke, or its server is read-only. */
  get isUnusable(): boolean {
    return this.#isUnusable;
  }

  /**
   * Sets the settings of the session. Behind a pooler in transaction mode, each statement is sent with its
   * own settings.
   */
  async settle(): Promise<void> {
    if (this.#pooler === 'transaction') {
      await this.query('SELECT 1'); // its settings also read PostgreSQL's clock
      return;
    }
    const text = `${sessionSettings(this.#statementTimeoutMs)}, ${SESSION}`;
    const { rows } = (await this.query(text)) as { rows: { pid: number; writable: boolean }[] };
    this.backendPid = rows[0]!.pid;
    if (!rows[0]!.writable) this.#isUnusable = true;
  }

  /**
   * Closes the connection immediately. Unanswered statements fail, although PostgreSQL may have carried them
   * out.
   */
  cut(): void {
    (this as unknown as Inside).connection.stream.destroy();
  }

  override query(config: Asked, values?: unknown, callback?: unknown): unknown {
    if (typeof config === 'object' && 'submit' in config) return super.query(config);
    const done = typeof values === 'function' ? values : callback;
    const wanted: QueryConfig = typeof config === 'string' ? { text: config } : { ...config };
    if (Array.isArray(values)) wanted.values = values;
    if (typeof done === 'function') return this.#submit(wanted, done as Done);
    return new Promise((resolve, reject) => {
      this.#submit(wanted, (error, result) => (error ? reject(error) : resolve(result)));
    }).catch((error: Error) => {
      Error.captureStackTrace(error); // else the stack leads to the socket, not to the caller
      throw error;
    });
  }

  /** Whether PostgreSQL has parsed this named statement in this session, and has described its rows. */
  knows({ name = '', text }: QueryConfig): boolean {
    const { parsedStatements } = (this as unknown as Inside).connection;
    return parsedStatements[name] === text && this.#named.described.has(name);
  }

  /**
   * Runs statements that this session {@link knows} in one transaction. If one fails, PostgreSQL carries out
   * none. If the connection breaks, PostgreSQL may have carried out all.
   *
   * @param ended called before the parts get their results. If it gets an error, no part gets a result.
   */
  runTogether(parts: Part[], ended: (error: Error | null, isSent: boolean) => void): void {
    const query = new JointQuery(parts, this.#named, (error) => {
      if (error && query.isSent) this.#note(error);
      ended(error, query.isSent);
    });
    super.query(query);
  }

  #submit(config: QueryConfig, done: Done): void {
    const query = this.#queryOf(config);
    const { query_timeout = this.#answerWithinMs } = config as { query_timeout?: number };
    const callback: Done = (error, result) => {
      if (error) this.#note(error);
      done(error, result);
    };
    Object.assign(query, { callback, query_timeout });
    super.query(query);
  }

  #queryOf(config: QueryConfig): { submit: unknown } {
    if (this.#pooler === 'transaction')
      return new SettledQuery(config, this.#statementTimeoutMs, this.#clock);
    return config.name ? new NamedQuery(config, this.#named) : new Query(config);
  }

  #note(error: Error): void {
    if (isConnectionLost(error)) this.#isUnusable = true;
    if (!isReadOnly(error)) return;
    this.#isUnusable = true;
    this.onReadOnly();
  }
}

const SESSION = `pg_backend_pid() AS pid,
  NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off' AS writable`;
