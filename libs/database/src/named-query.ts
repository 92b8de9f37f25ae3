/* oxlint-disable no-underscore-dangle -- the names are those of node-postgres */
import { Query, type QueryConfig } from 'pg';

/**
 * The parts of a row description that node-postgres keeps: the columns, their parsers, and a row without
 * values.
 */
interface Described {
  fields: unknown[];
  _parsers: unknown;
  _prebuiltEmptyResultObject: unknown;
}

export interface Connection {
  _send(chunk: Buffer): boolean;
  describe(message: unknown): void;
}

/** Members of node-postgres's `Query` that are missing in its types. */
interface Inside {
  name: string;
  values: unknown[] | undefined;
  _result: Described;
  _accumulateRows: boolean;
  prepare(connection: Connection): void;
  handleCommandComplete(message: unknown, connection: Connection): void;
}

/**
 * `Query` with the internal names of its members. If node-postgres changes these names, the tests of prepared
 * statements fail.
 */
const Base = Query as unknown as new (text: string) => Query & Inside;

/** The data that the named queries of one connection share. */
export class NamedQueries {
  /** The row descriptions that the connection has received, by statement name. */
  readonly described = new Map<string, Described>();
  #collector: { connection: Connection; chunks: Buffer[] } | undefined;

  /**
   * Writes all messages that `write` sends as one chunk, and leaves out the request for a row description.
   */
  writeOnce(connection: Connection, write: (connection: Connection) => void): void {
    this.#collector ??= collectorFor(connection);
    const { chunks } = this.#collector;
    try {
      write(this.#collector.connection);
      connection._send(Buffer.concat(chunks));
    } finally {
      chunks.length = 0;
    }
  }
}

/**
 * A connection that only collects the messages. It is made once, because it would be slow to make one for
 * each query.
 */
function collectorFor(connection: Connection) {
  const chunks: Buffer[] = [];
  const collecting = Object.create(connection) as Connection;
  collecting._send = (chunk) => chunks.push(chunk) > 0;
  collecting.describe = () => undefined;
  return { connection: collecting, chunks };
}

/**
 * A faster query by name. In each run, node-postgres requests the description of the rows, and writes each
 * message as a chunk. This class requests the description once per connection, and writes one chunk per run.
 */
export class NamedQuery extends Base {
  readonly #shared: NamedQueries;

  constructor({ text, name = '', values }: QueryConfig, shared: NamedQueries) {
    super(text); // node-postgres copies a config in a slow way, but not a text
    this.name = name;
    this.values = values;
    this.#shared = shared;
  }

  override prepare(connection: Connection): void {
    const described = this.#shared.described.get(this.name);
    if (!described) return super.prepare(connection);
    Object.assign(this._result, described);
    this._accumulateRows = true;
    this.#shared.writeOnce(connection, (collecting) => super.prepare(collecting));
  }

  override handleCommandComplete(message: unknown, connection: Connection): void {
    super.handleCommandComplete(message, connection);
    if (this.#shared.described.has(this.name)) return;
    const { fields, _parsers, _prebuiltEmptyResultObject } = this._result;
    this.#shared.described.set(this.name, { fields, _parsers, _prebuiltEmptyResultObject });
  }
}
