import type { Writable } from 'node:stream';
import { Client, Query, type ClientConfig, type QueryConfig } from 'pg';
import { isConnectionLost, isReadOnly } from './database-fault.js';
import { JointQuery, NamedQueries, NamedQuery, type Done, type Part } from './named-query.js';
import { ServerClock } from './server-clock.js';
import { sessionSettings, type Pooler } from './session-settings.js';
import { SettledQuery } from './settled-query.js';

export interface ClientTerms extends ClientConfig {
  pooler: Pooler;
  /** 0 for no timeout. */
  statementTimeoutMs: number;
}

type Asked = string | QueryConfig | { submit: unknown };

/**
 * Types `query` with one signature instead of node-postgres's six, so that the class below can override it.
 */
const Base = Client as unknown as new (config: ClientConfig) => Omit<Client, 'query'> & {
  query(config: Asked, values?: unknown, callback?: unknown): unknown;
};

/** Missing in node-postgres's types. */
interface Inside {
  connection: { stream: Writable; parsedStatements: Record<string, string> };
}

/** Runs statements under Gangway's settings, not under those of the role or the database. */
export class DatabaseClient extends Base {
  readonly #pooler: Pooler;
  readonly #statementTimeoutMs: number;
  readonly #clock = new ServerClock();
  readonly #named = new NamedQueries();
  readonly #answerWithinMs: number | undefined;
  #isUnusable = false;
  /** Null behind a pooler in transaction mode. */
  backendPid: number | null = null;
  onReadOnly: () => void = () => undefined;

  constructor({ pooler, statementTimeoutMs, query_timeout, ...config }: ClientTerms) {
    super({ ...config, pipeline: pooler === 'none' } as ClientConfig);
    this.#answerWithinMs = query_timeout;
    this.#pooler = pooler;
    this.#statementTimeoutMs = statementTimeoutMs;
    // Without a listener, a broken connection would end the process.
    this.on('error', () => undefined);
  }

  get isUnusable(): boolean {
    return this.#isUnusable;
  }

  /** Behind a pooler in transaction mode, each statement brings its own settings. */
  async settle(): Promise<void> {
    if (this.#pooler === 'transaction') {
      await this.query('SELECT 1'); // the answer also sets `#clock`
      return;
    }
    const text = `${sessionSettings(this.#statementTimeoutMs)}, ${SESSION}`;
    const { rows } = (await this.query(text)) as { rows: { pid: number; writable: boolean }[] };
    this.backendPid = rows[0]!.pid;
    if (!rows[0]!.writable) this.#isUnusable = true;
  }

  /** PostgreSQL may still carry out unanswered statements. */
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
      Error.captureStackTrace(error); // else the stack shows the socket, not the caller
      throw error;
    });
  }

  /** Whether PostgreSQL has parsed this named statement in this session, and has described its rows. */
  knows({ name = '', text }: QueryConfig): boolean {
    const { parsedStatements } = (this as unknown as Inside).connection;
    return parsedStatements[name] === text && this.#named.described.has(name);
  }

  /**
   * Runs statements that this session {@link knows} in one transaction.
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
