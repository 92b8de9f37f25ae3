/* oxlint-disable no-underscore-dangle -- the names are those of node-postgres */
import { Query, type QueryConfig } from 'pg';

/** The parts of a row description that node-postgres keeps: columns, their parsers, a row without values. */
interface Described {
  fields: unknown[];
  _parsers: unknown;
  _prebuiltEmptyResultObject: unknown;
}

interface Connection {
  /** Writes one message to the socket as one chunk. */
  _send(chunk: Buffer): boolean;
  /** Asks for a row description. */
  describe(message: unknown): void;
}

/** Members of node-postgres's `Query` that are missing in its types. */
interface Inside {
  name: string;
  _result: Described;
  _accumulateRows: boolean;
  prepare(connection: Connection): void;
  handleCommandComplete(message: unknown, connection: Connection): void;
}

/**
 * `Query` with the internal names of its members. If node-postgres changes these names, the tests of prepared
 * statements fail.
 */
const Base = Query as unknown as new (config: QueryConfig) => Query & Inside;

/** The row descriptions that a connection has received, by statement name. */
export type RowDescriptions = Map<string, Described>;

/**
 * A faster query by name. node-postgres requests the description of the rows in each run, and writes each
 * message as a chunk. This class requests it once per connection, and writes one chunk per run.
 */
export class NamedQuery extends Base {
  readonly #known: RowDescriptions;

  constructor(config: QueryConfig, known: RowDescriptions) {
    super(config);
    this.#known = known;
  }

  override prepare(connection: Connection): void {
    const described = this.#known.get(this.name);
    if (!described) return super.prepare(connection);
    Object.assign(this._result, described);
    this._accumulateRows = true;
    const chunks: Buffer[] = [];
    const collecting = Object.create(connection) as Connection;
    collecting._send = (chunk) => chunks.push(chunk) > 0;
    collecting.describe = () => undefined;
    super.prepare(collecting);
    connection._send(Buffer.concat(chunks));
  }

  override handleCommandComplete(message: unknown, connection: Connection): void {
    super.handleCommandComplete(message, connection);
    if (this.#known.has(this.name)) return;
    const { fields, _parsers, _prebuiltEmptyResultObject } = this._result;
    this.#known.set(this.name, { fields, _parsers, _prebuiltEmptyResultObject });
  }
}
