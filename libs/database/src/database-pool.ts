import pg, { type PoolClient, type PoolConfig } from 'pg';
import { DatabaseClient, type ClientTerms } from './database-client.js';
import { noteNotConnected } from './database-fault.js';

type Connected = Parameters<pg.Pool['connect']>[0];

/**
 * The pool below TypeORM. It closes a connection only if it must not be used again: an ordinary error of a statement costs
 * no connection. When a connection meets a server that takes no writes, the pool closes all open ones, because a new one
 * may lead to another server.
 */
export class DatabasePool extends pg.Pool {
  readonly #idle = new Set<DatabaseClient>();
  /** Connections that were open when a server was found to take no writes. */
  #stale = new WeakSet<DatabaseClient>();
  readonly #open = new Set<DatabaseClient>();

  constructor(options: PoolConfig & ClientTerms) {
    const onConnect = (client: unknown) => (client as DatabaseClient).settle();
    super({ ...options, Client: DatabaseClient, onConnect } as unknown as PoolConfig);
    this.on('connect', (client) => {
      const opened = client as unknown as DatabaseClient;
      this.#open.add(opened);
      opened.onReadOnly = () => this.giveUpAll();
    });
    this.on('acquire', (client) => this.#idle.delete(client as unknown as DatabaseClient));
    this.on('release', (_error, client) => {
      const released = client as unknown as DatabaseClient;
      // The pool drops a connection that has ended.
      if (released.isSpent || this.#stale.has(released)) void released.end();
      else this.#idle.add(released);
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

  /** A connection of the pool. Release it without an error: the pool knows how its statements ended. */
  take(): Promise<PoolClient & Pick<DatabaseClient, 'backendPid'>> {
    return this.connect() as Promise<PoolClient & Pick<DatabaseClient, 'backendPid'>>;
  }

  /** Closes each open connection: at once, or when its statement has ended. */
  giveUpAll(): void {
    for (const client of this.#open) this.#stale.add(client);
    // An idle connection that reports an error is taken out of the pool.
    for (const client of this.#idle) client.emit('error', new Error('given up: the server takes no writes'));
    this.#idle.clear();
  }
}
