import { Query, type QueryConfig } from 'pg';
import { isTooLate, transactionSettings } from './session-settings.js';
import type { ServerClock } from './server-clock.js';

/** Missing in node-postgres's types of `Query`. */
interface Connection {
  parse(message: { text: string; name: string }): void;
  bind(message: { values: unknown[] }): void;
  execute(message: { rows: number }): void;
}
interface Inside {
  requiresPreparation(): boolean;
  prepare(connection: Connection): void;
  handleDataRow(message: { fields: (string | null)[] }): void;
  handleCommandComplete(message: unknown, connection: Connection): void;
  handleError(error: Error, connection: Connection): void;
}

/** Uses internal names of node-postgres. If they change, the tests with a pooler fail. */
const Base = Query as unknown as new (config: QueryConfig) => Query & Inside;

const WITH_DEADLINE = transactionSettings('deadline');

/**
 * A statement and its settings in one transaction and one round trip. The statement has no name, because its
 * next run may use another server connection.
 *
 * The deadline keeps PostgreSQL from running a statement that the service has given up: a pooler forwards
 * queued statements even if their client is gone.
 */
export class SettledQuery extends Base {
  readonly #timeoutMs: number;
  readonly #clock: ServerClock;
  readonly #askedAtMs = performance.now();
  readonly #deadline: number | null;
  #settled = false;

  /** @param timeoutMs 0 for never. */
  constructor({ text, values }: QueryConfig, timeoutMs: number, clock: ServerClock) {
    super({ text, ...(values && { values }) });
    this.#timeoutMs = timeoutMs;
    this.#clock = clock;
    this.#deadline = timeoutMs === 0 ? null : clock.in(timeoutMs);
  }

  /** The simple protocol cannot send the settings together with a statement that has parameters. */
  override requiresPreparation(): boolean {
    return true;
  }

  override prepare(connection: Connection): void {
    const deadline = this.#deadline;
    const text = deadline === null ? transactionSettings({ timeoutMs: this.#timeoutMs }) : WITH_DEADLINE;
    connection.parse({ text, name: '' });
    connection.bind({ values: deadline === null ? [] : [deadline.toString()] });
    connection.execute({ rows: 0 });
    super.prepare(connection);
  }

  override handleDataRow(message: { fields: (string | null)[] }): void {
    if (this.#settled) super.handleDataRow(message);
    else this.#clock.note(Number(message.fields.at(-1)), this.#askedAtMs);
  }

  override handleCommandComplete(message: unknown, connection: Connection): void {
    if (this.#settled) super.handleCommandComplete(message, connection);
    this.#settled = true;
  }

  override handleError(error: Error, connection: Connection): void {
    super.handleError(!this.#settled && isTooLate(error) ? late() : error, connection);
  }
}

/** Has PostgreSQL's code for a statement that takes too long. */
const late = () =>
  Object.assign(new Error('canceling statement due to statement timeout: a pooler kept it for too long'), {
    code: '57014',
  });
