import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { Redis } from 'ioredis';
import type { Story } from './story.js';

/** Places where a secret could leak to: Redis and its commands, PostgreSQL and its statements. */
export class Sinks {
  readonly #sent: string[] = [];

  private constructor(
    private readonly story: Story,
    private readonly redis: Redis,
    private readonly monitor: Socket,
  ) {}

  /** Records each command that Redis receives from now on. */
  static async open(story: Story): Promise<Sinks> {
    const url = story.env['REDIS_URL']!;
    const { monitor, lines } = await monitorRedis(url);
    const sinks = new Sinks(story, new Redis(url), monitor);
    // Other jest workers have their own queues in the same Redis.
    const own = story.env['QUEUE_PREFIX']!.slice(0, -1);
    lines.on('line', (command: string) => {
      if (command.includes(own) || !command.includes('{gangway-test-')) sinks.#sent.push(command);
    });
    return sinks;
  }

  close(): void {
    this.monitor.destroy();
    this.redis.disconnect();
  }

  /** Without commands about the queues of other jest workers. */
  sentToRedis(): string {
    return this.#sent.join('\n');
  }

  async redisDump(): Promise<string> {
    const prefix = this.story.env['QUEUE_PREFIX']!;
    const found: string[] = [];
    for await (const keys of this.redis.scanStream({ match: `${prefix}*`, count: 500 })) {
      for (const key of keys as string[]) found.push(`${key} ${JSON.stringify(await this.#valueOf(key))}`);
    }
    return found.join('\n');
  }

  /** @returns all rows, with encrypted columns in hex. */
  async databaseDump(): Promise<string> {
    const tables = await this.story.sql<{ name: string }>(
      `SELECT format('%I', tablename) AS name FROM pg_tables WHERE schemaname = 'public'`,
    );
    const dumps = tables.map(({ name }) =>
      this.story.sql<{ row: string }>(`SELECT t::text AS row FROM ${name} t`),
    );
    return (await Promise.all(dumps)).flatMap((rows) => rows.map(({ row }) => row)).join('\n');
  }

  /** @returns the last statement of each connection, which administrators of PostgreSQL can see. */
  async statements(): Promise<string> {
    const rows = await this.story.sql<{ query: string }>(
      'SELECT query FROM pg_stat_activity WHERE datname = current_database()',
    );
    return rows.map(({ query }) => query).join('\n');
  }

  async #valueOf(key: string): Promise<unknown> {
    switch (await this.redis.type(key)) {
      case 'string':
        return this.redis.get(key);
      case 'hash':
        return this.redis.hgetall(key);
      case 'list':
        return this.redis.lrange(key, 0, -1);
      case 'set':
        return this.redis.smembers(key);
      case 'zset':
        return this.redis.zrange(key, 0, -1, 'WITHSCORES');
      case 'stream':
        return this.redis.xrange(key, '-', '+');
      default:
        return null; // the key no longer exists
    }
  }
}

/**
 * ioredis loses count of the answers if the first command arrives in the same packet as the answer to
 * MONITOR.
 */
async function monitorRedis(url: string) {
  const { hostname, port, username, password } = new URL(url);
  const monitor = connect(Number(port || 6379), hostname);
  await once(monitor, 'connect');
  const lines = createInterface({ input: monitor });
  const ask = async (command: string) => {
    monitor.write(`${command}\r\n`);
    const [answer] = (await once(lines, 'line')) as [string];
    if (answer !== '+OK') throw new Error(`Redis answered ${answer}`);
  };
  if (password) await ask(`AUTH ${username || 'default'} ${decodeURIComponent(password)}`);
  await ask('MONITOR');
  return { monitor, lines };
}
