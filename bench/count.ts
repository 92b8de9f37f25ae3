import { createConnection, createServer, type AddressInfo, type Socket } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Client } from 'pg';
import { Pool } from 'undici';
import type { Contender, Surroundings } from './contenders.js';
import { CALLS, walk, type CallName } from './walk.js';

/** Costs of one onboarding that load on the machine does not change. */
export interface Counts {
  /** How often the service waits for PostgreSQL. */
  roundTrips: number;
  roundTripsByCall: Record<CallName, number>;
  /** Sent by the service, including BEGIN and COMMIT. */
  statements: number;
  /** Transactions that write. */
  commits: number;
  walBytes: number;
  /** Run by Redis, including those within scripts. */
  redisCommands: number;
}

/**
 * A proxy counts the messages between service and PostgreSQL. The worker is suspended, because these
 * onboardings do not need it. Results are medians, so that periodic work does not count.
 */
export async function count(contender: Contender, surroundings: Surroundings, times = 61): Promise<Counts> {
  const proxies: Proxy[] = [];
  const between = async (databaseUrl: string) => {
    const proxy = await Proxy.before(databaseUrl);
    proxies.push(proxy);
    return proxy.url;
  };
  const running = await contender.start({ ...surroundings, between });
  const pool = new Pool(running.url, { connections: 1 });
  const server = await Server.open(running.databaseUrl, surroundings.servers.redisUrl);
  try {
    const [proxy] = proxies;
    const now = () => ({ roundTrips: proxy!.roundTrips, statements: proxy!.statements });
    for (let i = 0; i < times / 2; i++) await walk(pool, running.token, () => undefined);
    if (running.worker) process.kill(running.worker, 'SIGSTOP');

    const byCall = Object.fromEntries(CALLS.map((name) => [name, [] as number[]])) as Record<
      CallName,
      number[]
    >;
    const statements: number[] = [];
    const commits: number[] = [];
    const redisCommands: number[] = [];
    const walBytes: number[] = [];
    for (let i = 0; i < times; i++) {
      const [writesBefore, redisBefore] = [await server.writes(), await server.redisCommands()];
      const walBefore = await server.walBytes();
      const before = now();
      let last = before.roundTrips;
      await walk(pool, running.token, (name) => {
        byCall[name].push(proxy!.roundTrips - last);
        last = proxy!.roundTrips;
      });
      await proxy!.quiet();
      byCall.authenticators.push(byCall.authenticators.pop()! + proxy!.roundTrips - last);
      statements.push(now().statements - before.statements);
      redisCommands.push((await server.redisCommands()) - redisBefore - 1); // without our own command INFO
      commits.push((await server.writes()) - writesBefore);
      walBytes.push((await server.walBytes()) - walBefore);
    }
    const roundTripsByCall = Object.fromEntries(CALLS.map((name) => [name, median(byCall[name])])) as Record<
      CallName,
      number
    >;
    return {
      roundTrips: Object.values(roundTripsByCall).reduce((sum, n) => sum + n, 0),
      roundTripsByCall,
      statements: median(statements),
      commits: median(commits),
      walBytes: median(walBytes),
      redisCommands: median(redisCommands),
    };
  } finally {
    await server.close();
    await pool.destroy();
    await running.stop();
    await Promise.all(proxies.map((proxy) => proxy.close()));
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (index: number) => sorted[Math.floor(index)] ?? NaN;
  return (at((sorted.length - 1) / 2) + at(sorted.length / 2)) / 2;
}

class Server {
  private constructor(
    private readonly database: Client,
    private readonly redis: Redis,
  ) {}

  static async open(databaseUrl: string, redisUrl: string): Promise<Server> {
    const database = new Client({ connectionString: databaseUrl });
    await database.connect();
    return new Server(database, new Redis(redisUrl));
  }

  /** PostgreSQL numbers only transactions that write. */
  writes = () => this.#ask('SELECT pg_snapshot_xmax(pg_current_snapshot()) AS n');
  walBytes = () => this.#ask(`SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') AS n`);

  async redisCommands(): Promise<number> {
    const info = await this.redis.info('stats');
    return Number(/^total_commands_processed:(\d+)/m.exec(info)?.[1]);
  }

  async close(): Promise<void> {
    this.redis.disconnect();
    await this.database.end();
  }

  async #ask(text: string): Promise<number> {
    const { rows } = await this.database.query<{ n: string }>(text);
    return Number(rows[0]!.n);
  }
}

/** Types of messages that PostgreSQL answers with ReadyForQuery, and of those that run a statement. */
const WAITS = new Set(['Q', 'S']);
const RUNS = new Set(['Q', 'E']);
const QUIET_MS = 15;

/** Forwards a client's bytes and counts its messages (PostgreSQL, "Message Formats"). */
class Proxy {
  roundTrips = 0;
  statements = 0;
  #lastAt = 0;
  readonly #sockets = new Set<Socket>();

  private constructor(
    readonly url: string,
    private readonly stop: () => void,
  ) {}

  static async before(databaseUrl: string): Promise<Proxy> {
    const to = new URL(databaseUrl);
    const server = createServer({ noDelay: true }, (client) => proxy.#accept(client, to));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    server.unref(); // If a contender does not start, the proxy must not keep this process alive.
    const own = new URL(databaseUrl);
    own.port = String((server.address() as AddressInfo).port);
    const proxy = new Proxy(own.href, () => server.close());
    return proxy;
  }

  /** Waits until the service has sent nothing for a moment: its work after the answer is part of the call. */
  async quiet(): Promise<void> {
    const since = performance.now();
    while (performance.now() - Math.max(since, this.#lastAt) < QUIET_MS) await wait(5);
  }

  close(): void {
    this.stop();
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(client: Socket, { port, hostname }: URL): void {
    const server = createConnection({ port: Number(port), host: hostname, noDelay: true });
    this.#sockets.add(client).add(server);
    client.on('error', () => server.destroy()).on('close', () => server.destroy());
    server.on('error', () => client.destroy()).on('close', () => client.destroy());
    let rest: Buffer = Buffer.alloc(0);
    let started = false;
    client.on('data', (bytes) => {
      rest = Buffer.concat([rest, bytes]);
      for (;;) {
        // Only the first message has no type byte.
        const head = started ? 1 : 0;
        if (rest.length < head + 4) break;
        const length = head + rest.readUInt32BE(head);
        if (rest.length < length) break;
        if (started) this.#saw(String.fromCharCode(rest[0]!));
        started = true;
        rest = rest.subarray(length);
      }
    });
    client.pipe(server);
    server.pipe(client);
  }

  #saw(type: string): void {
    this.#lastAt = performance.now();
    if (WAITS.has(type)) this.roundTrips += 1;
    if (RUNS.has(type)) this.statements += 1;
  }
}
