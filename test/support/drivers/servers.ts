import { readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { migrate } from '#libs/database';
import { serversFolder } from '../../../tools/checkout.js';
import { startPostgres } from '../../../tools/embedded/postgres.js';
import { askRedis, startRedis } from '../../../tools/embedded/redis.js';
import { removeServers } from '../../../tools/servers.js';

/** Each start changes the URL, because the killed server's port may still be in use. */
export interface Server {
  readonly url: string;
  /** Sends SIGKILL. Null for a server of DATABASE_URL or REDIS_URL. */
  kill: (() => Promise<void>) | null;
  start(): Promise<void>;
}

export interface Servers {
  postgres: Server;
  redis: Server;
  queuePrefix: string;
  flush(): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Uses the servers of DATABASE_URL and REDIS_URL, if both are set. Otherwise starts embedded servers, which
 * write to disk as in production, because runs kill them and then check the data.
 */
export async function startServers(run: string): Promise<Servers> {
  const { DATABASE_URL, REDIS_URL, QUEUE_PREFIX: queuePrefix = `{${run}}` } = process.env;
  const servers =
    DATABASE_URL && REDIS_URL ? given(DATABASE_URL, REDIS_URL, queuePrefix) : await embedded(queuePrefix);
  try {
    await migrate(servers.postgres.url);
  } catch (error) {
    await servers.stop();
    throw error;
  }
  return servers;
}

export async function withServers<T>(run: string, work: (servers: Servers) => Promise<T>): Promise<T> {
  const servers = await startServers(run);
  try {
    return await work(servers);
  } finally {
    await servers.stop();
  }
}

function given(databaseUrl: string, redisUrl: string, queuePrefix: string): Servers {
  const untouched = (url: string): Server => ({ url, kill: null, start: async () => undefined });
  const flush = () =>
    askRedis(redisUrl, async (redis) => {
      // Other programs may use this Redis too.
      for await (const keys of redis.scanStream({ match: `${queuePrefix}:*`, count: 1_000 })) {
        if ((keys as string[]).length > 0) await redis.unlink(...(keys as string[]));
      }
    });
  return { postgres: untouched(databaseUrl), redis: untouched(redisUrl), queuePrefix, flush, stop: flush };
}

async function embedded(queuePrefix: string): Promise<Servers> {
  const base = serversFolder();
  for (const name of readdirSync(base)) {
    const owner = Number(/^chaos-(\d+)$/.exec(name)?.[1]);
    if (owner && !isAlive(owner)) await removeServers(join(base, name));
  }
  const folder = join(base, `chaos-${process.pid}`);
  const password = 'chaos';
  let port = 20_000 + Math.floor(Math.random() * 10_000);
  const options = (name: string) => ({ folder: join(folder, name), password, port: (port += 7) });

  let postgresUrl = (await startPostgres(options('postgres'))).url;
  let redisUrl = (await startRedis(options('redis'))).url;
  const postgres: Server = {
    get url() {
      return postgresUrl;
    },
    kill: async () => {
      const [pid] = readFileSync(join(folder, 'postgres', 'data', 'postmaster.pid'), 'utf8').split('\n');
      await killed(Number(pid));
    },
    // A start fails until all child processes of a killed PostgreSQL have ended.
    start: async () => void (postgresUrl = (await patiently(() => startPostgres(options('postgres')))).url),
  };
  const redis: Server = {
    get url() {
      return redisUrl;
    },
    kill: async () => {
      const info = await askRedis(redisUrl, (client) => client.info('server'));
      await killed(Number(/^process_id:(\d+)/m.exec(info)?.[1]));
    },
    start: async () => void (redisUrl = (await patiently(() => startRedis(options('redis')))).url),
  };
  const stop = async () => {
    await removeServers(folder);
    rmSync(folder, { recursive: true, force: true });
  };
  const flush = async () => void (await askRedis(redisUrl, (client) => client.flushall()));
  return { postgres, redis, queuePrefix, flush, stop };
}

async function killed(pid: number): Promise<void> {
  process.kill(pid, 'SIGKILL');
  while (isAlive(pid)) await pause(5);
}

async function patiently<T>(start: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await start();
    } catch (error) {
      if (tries === 20) throw error;
      await pause(100);
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
