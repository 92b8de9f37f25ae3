import pg, { type PoolClient, type PoolConfig } from 'pg';
import { DatabaseClient, type ClientTerms } from './database-client.js';

/**
 * The pool below TypeORM. A connection is given up where it must not be used again, and only there: an ordinary error of
 * a statement costs no connection. Where one finds a server that takes no writes, all that are open are given up, since
 * a new one may lead to another server.
 */
export class DatabasePool extends pg.Pool {
  readonly #idle = new Set<DatabaseClient>();
  /** Those that were opened before a server took no writes. */
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
      // An ended connection is not kept.
      if (released.isSpent || this.#stale.has(released)) void released.end();
      else this.#idle.add(released);
    });
    this.on('remove', (client) => {
      this.#idle.delete(client as unknown as DatabaseClient);
      this.#open.delete(client as unknown as DatabaseClient);
    });
  }

  /** A connection of the pool, to be released without an error: the pool knows what came of its statements. */
  take(): Promise<PoolClient & Pick<DatabaseClient, 'backendPid'>> {
    return this.connect() as Promise<PoolClient & Pick<DatabaseClient, 'backendPid'>>;
  }

  /** Gives up each connection that is open: at once, or when its statement has ended. */
  giveUpAll(): void {
    for (const client of this.#open) this.#stale.add(client);
    // An idle connection that reports an error is taken out of the pool.
    for (const client of this.#idle) client.emit('error', new Error('given up: the server takes no writes'));
    this.#idle.clear();
  }
}
