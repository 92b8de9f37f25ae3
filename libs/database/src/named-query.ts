/* oxlint-disable no-underscore-dangle -- the names are those of node-postgres */
import { Query, type QueryConfig } from 'pg';

/** The parts of a row description that node-postgres keeps. */
interface Described {
  fields: unknown[];
  _parsers: unknown;
  _prebuiltEmptyResultObject: unknown;
}

/** The part of node-postgres's connection that sends messages. */
export interface Connection {
  _send(chunk: Buffer): boolean;
  describe(message: unknown): void;
  /** Ends the transaction. PostgreSQL answers with `ReadyForQuery`. */
  sync(): void;
}

/** Collects messages instead of sending them. */
interface Collector extends Connection {
  chunks: Buffer[];
  describes: boolean;
  syncs: boolean;
}

/** Missing in node-postgres's types of `Query`. */
interface Inside {
  name: string;
  text: string;
  values: unknown[] | undefined;
  callback: Done;
  _result: Described;
  _accumulateRows: boolean;
  submit(connection: Connection): Error | null;
  prepare(connection: Connection): void;
  handleRowDescription(message: unknown): void;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, connection: Connection): void;
  handleReadyForQuery(connection: Connection): void;
  handleError(error: Error, connection: Connection): void;
}

/** Uses internal names of node-postgres. If they change, the tests of prepared statements fail. */
const Base = Query as unknown as new (text: string) => Omit<Query, 'submit'> & Inside;

/** Shared by the named queries of one connection. */
export class NamedQueries {
  /** By statement name. */
  readonly described = new Map<string, Described>();
  #collector: Collector | undefined;

  /** Sends the messages of `write` as one chunk. If `write` throws, sends nothing. */
  writeOnce(connection: Connection, write: (connection: Connection) => void): void {
    this.#collector ??= collectorFor(connection);
    const { chunks } = this.#collector;
    try {
      write(this.#collector);
      connection._send(Buffer.concat(chunks));
    } finally {
      chunks.length = 0;
    }
  }
}

/** Called once per connection, because making a collector is slow. */
function collectorFor(connection: Connection): Collector {
  const chunks: Buffer[] = [];
  const collector = Object.assign(Object.create(connection) as Connection, {
    chunks,
    describes: true,
    syncs: true,
  });
  collector._send = (chunk) => chunks.push(chunk) > 0;
  collector.describe = (message) => {
    if (collector.describes) connection.describe.call(collector, message);
  };
  collector.sync = () => {
    if (collector.syncs) connection.sync.call(collector);
  };
  return collector;
}

const isCollector = (connection: Connection): connection is Collector => 'chunks' in connection;

/** Requests the description of the rows once per connection, and writes one chunk per run. */
export class NamedQuery extends Base {
  readonly #shared: NamedQueries;

  constructor({ text, name = '', values }: QueryConfig, shared: NamedQueries) {
    super(text); // node-postgres copies a config in a slow way, but not a text
    this.name = name;
    this.values = values;
    this.#shared = shared;
  }

  override prepare(connection: Connection): void {
    if (!isCollector(connection)) return this.#shared.writeOnce(connection, (one) => this.prepare(one));
    const described = this.#shared.described.get(this.name);
    if (described) Object.assign(this._result, described);
    this._accumulateRows = true;
    connection.describes = !described;
    super.prepare(connection);
  }

  override handleCommandComplete(message: unknown, connection: Connection): void {
    super.handleCommandComplete(message, connection);
    if (this.#shared.described.has(this.name)) return;
    const { fields, _parsers, _prebuiltEmptyResultObject } = this._result;
    this.#shared.described.set(this.name, { fields, _parsers, _prebuiltEmptyResultObject });
  }
}

export type Done = (error: Error | null, result?: { rows: unknown[] }) => void;

/** `done` gets the statement's result once the transaction is committed. */
export interface Part {
  statement: QueryConfig;
  done: Done;
}

/**
 * Several named queries in one transaction. PostgreSQL must have parsed them before. A lock of another
 * transaction delays them by at most `LOCK_TIMEOUT_MS`.
 */
export class JointQuery extends Base {
  readonly #parts: Part[];
  readonly #queries: NamedQuery[];
  readonly #shared: NamedQueries;
  /** The index of the query that PostgreSQL answers next. */
  #next = 0;
  /** False if a query could not be written. */
  isSent = false;

  constructor(parts: Part[], shared: NamedQueries, ended: (error: Error | null) => void) {
    super(BRIEF_LOCKS.text);
    this.#parts = parts;
    this.#shared = shared;
    this.#queries = [BRIEF_LOCKS, ...parts.map(({ statement }) => statement)].map(
      (config) => new NamedQuery(config, shared),
    );
    this.callback = ended;
  }

  /** @returns the error of the first query that cannot be written. */
  override submit(connection: Connection): Error | null {
    try {
      this.#shared.writeOnce(connection, (collector) => this.#write(collector as Collector));
    } catch (error) {
      return error as Error;
    }
    this.isSent = true;
    return null;
  }

  #write(collector: Collector): void {
    collector.syncs = false;
    try {
      for (const [index, query] of this.#queries.entries()) {
        query.callback = throwError; // node-postgres reports the error of a value to the callback
        const error = query.submit(collector);
        if (error) throw error;
        query.callback = this.#parts[index - 1]?.done ?? throwError;
      }
    } finally {
      collector.syncs = true;
    }
    collector.sync();
  }

  override handleDataRow(message: unknown): void {
    this.#queries[this.#next]!.handleDataRow(message);
  }

  override handleCommandComplete(message: unknown, connection: Connection): void {
    this.#queries[this.#next]!.handleCommandComplete(message, connection);
    this.#next += 1;
  }

  override handleReadyForQuery(connection: Connection): void {
    this.callback(null);
    for (const query of this.#queries) query.handleReadyForQuery(connection);
  }
}

function throwError(error: Error | null): void {
  if (error) throw error;
}

const LOCK_TIMEOUT_MS = 100;
export const BRIEF_LOCKS = {
  name: 'gw_brief_locks',
  text: `SELECT set_config('lock_timeout', '${LOCK_TIMEOUT_MS}', true)`,
};
