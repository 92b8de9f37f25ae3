import pg, { type PoolClient, type PoolConfig, type QueryConfig } from 'pg';
import { DatabaseClient, type ClientTerms } from './database-client.js';
import { noteNotConnected } from './database-fault.js';
import { SharedConnections, type PooledClient } from './shared-connections.js';

type Connected = Parameters<pg.Pool['connect']>[0];

/** If one connection reaches a read-only server, the pool closes all: new ones may lead to another server. */
export class DatabasePool extends pg.Pool {
  readonly #idle = new Set<DatabaseClient>();
  /** Connections that were open when one of them reached a read-only server. */
  #stale = new WeakSet<DatabaseClient>();
  readonly #open = new Set<DatabaseClient>();
  readonly #shared: SharedConnections | null;

  constructor(options: PoolConfig & ClientTerms) {
    const onConnect = (client: unknown) => (client as DatabaseClient).settle();
    super({ ...options, Client: DatabaseClient, onConnect } as unknown as PoolConfig);
    // Behind a pooler in transaction mode, the statements would all wait for the same server connection.
    this.#shared =
      options.pooler === 'transaction'
        ? null
        : new SharedConnections({
            take: () => this.take(),
            runApart: (statement) => this.run(statement),
            // While a caller waits, this connection gets no more shared statements, so that it becomes free.
            isUsable: (client) =>
              this.waitingCount === 0 && this.#isUsable(client as unknown as DatabaseClient),
            answerWithinMs: options.query_timeout,
          });
    this.on('connect', (client) => {
      const opened = client as unknown as DatabaseClient;
      this.#open.add(opened);
      opened.onReadOnly = () => this.giveUpAll();
    });
    this.on('acquire', (client) => this.#idle.delete(client as unknown as DatabaseClient));
    this.on('release', (_error, client) => {
      const released = client as unknown as DatabaseClient;
      // The pool removes a connection that has ended.
      if (this.#isUsable(released)) this.#idle.add(released);
      else void released.end();
    });
    this.on('remove', (client) => {
      this.#idle.delete(client as unknown as DatabaseClient);
      this.#open.delete(client as unknown as DatabaseClient);
    });
  }

  override connect(): Promise<PoolClient>;
  override connect(done: Connected): void;
  override connect(done?: Connected): Promise<PoolClient> | void {
    if (!done) {
      return super.connect().catch((error: unknown) => {
        noteNotConnected(error);
        throw error;
      });
    }
    super.connect((error, client, release) => {
      if (error) noteNotConnected(error);
      done(error, client, release);
    });
  }

  /** Call `release` without an error: the connection knows whether it may be used again. */
  take(): Promise<PooledClient> {
    return this.connect() as Promise<PooledClient>;
  }

  async run<Row>(statement: QueryConfig, shares = false): Promise<Row[]> {
    if (this.#shared && shares) return this.#shared.run(statement);
    const client = await this.take();
    try {
      const { rows } = await client.query(statement);
      return rows as Row[];
    } finally {
      client.release();
    }
  }

  /** Closes all connections: idle ones immediately, busy ones after their statements. */
  giveUpAll(): void {
    for (const client of this.#open) this.#stale.add(client);
    // The pool removes an idle connection that reports an error.
    for (const client of this.#idle) client.emit('error', new Error('given up: the server is read-only'));
    this.#idle.clear();
  }

  #isUsable(client: DatabaseClient): boolean {
    return !client.isUnusable && !this.#stale.has(client);
  }
}
