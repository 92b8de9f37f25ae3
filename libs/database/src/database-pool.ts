import pg, { type PoolClient, type PoolConfig, type QueryConfig } from 'pg';
import { DatabaseClient, type ClientTerms } from './database-client.js';
import { noteNotConnected } from './database-fault.js';
import { SharedConnections, type PooledClient } from './shared-connections.js';

type Connected = Parameters<pg.Pool['connect']>[0];

/**
 * The pool below TypeORM. An ordinary statement error costs no connection. If one meets a server that takes
 * no writes, the pool closes all: a new one may lead to another server.
 */
export class DatabasePool extends pg.Pool {
  readonly #idle = new Set<DatabaseClient>();
  /** Connections that were open when a server was found to take no writes. */
  #stale = new WeakSet<DatabaseClient>();
  readonly #open = new Set<DatabaseClient>();
  readonly #shared: SharedConnections | null;

  constructor(options: PoolConfig & ClientTerms) {
    const onConnect = (client: unknown) => (client as DatabaseClient).settle();
    super({ ...options, Client: DatabaseClient, onConnect } as unknown as PoolConfig);
    // Behind a pooler in transaction mode, statements that share a connection would share a server
    // connection.
    this.#shared =
      options.pooler === 'transaction'
        ? null
        : new SharedConnections({
            take: () => this.take(),
            // While others wait for a connection, statements must not keep this one.
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
      // The pool drops a connection that has ended.
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

  /** Takes a connection of the pool. Release it without an error: the pool knows how its statements ended. */
  take(): Promise<PooledClient> {
    return this.connect() as Promise<PooledClient>;
  }

  /** @param alone whether no other statement may wait behind it: it takes long, or waits for locks. */
  async run<Row>(statement: QueryConfig, alone = false): Promise<Row[]> {
    if (this.#shared && !alone) return this.#shared.run(statement);
    const client = await this.take();
    try {
      const { rows } = await client.query(statement);
      return rows as Row[];
    } finally {
      client.release();
    }
  }

  /** Closes each open connection: now, or when its statement has ended. */
  giveUpAll(): void {
    for (const client of this.#open) this.#stale.add(client);
    // The pool drops an idle connection that reports an error.
    for (const client of this.#idle) client.emit('error', new Error('given up: the server takes no writes'));
    this.#idle.clear();
  }

  #isUsable(client: DatabaseClient): boolean {
    return !client.isSpent && !this.#stale.has(client);
  }
}
