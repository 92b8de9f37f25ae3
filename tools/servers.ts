import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from 'pg';
import { serversFolder } from './checkout.js';
import { Plain, say, step } from './console.js';
import { startPostgres, stopPostgres } from './embedded/postgres.js';
import { askRedis, startRedis, stopRedis } from './embedded/redis.js';

const POSTGRES_PORT = 54_320;
const REDIS_PORT = 63_790;
const ANSWER_MS = 5_000;

export interface Servers {
  databaseUrl: string;
  redisUrl: string;
  /** Servers that DATABASE_URL and REDIS_URL name keep running. */
  stop(): Promise<void>;
}

export interface ServersOptions {
  folder: string;
  password: string;
  throwaway?: boolean;
  /** Servers to use instead of embedded ones. One or both may be missing. */
  given: Given;
}

export interface Given {
  databaseUrl: string | undefined;
  redisUrl: string | undefined;
}

/** An empty variable counts as unset. */
export function givenServers(env: NodeJS.ProcessEnv = process.env): Given {
  return { databaseUrl: env['DATABASE_URL'] || undefined, redisUrl: env['REDIS_URL'] || undefined };
}

/**
 * Starts PostgreSQL and Redis, except those that `options.given` names.
 *
 * @throws Plain if a server does not start or answer. The other one is stopped first.
 */
export async function startServers(options: ServersOptions): Promise<Servers> {
  const { databaseUrl, redisUrl } = options.given;
  checkUrl('DATABASE_URL', databaseUrl, ['postgres://', 'postgresql://']);
  checkUrl('REDIS_URL', redisUrl, ['redis://', 'rediss://']);
  await claim(options);
  const postgres = { ...options, folder: join(options.folder, 'postgres'), port: POSTGRES_PORT };
  const redis = { ...options, folder: join(options.folder, 'redis'), port: REDIS_PORT };
  const [first, second] = await Promise.allSettled([
    databaseUrl ? givenPostgres(databaseUrl) : step('Starting PostgreSQL', () => startPostgres(postgres)),
    redisUrl ? givenRedis(redisUrl) : step('Starting Redis', () => startRedis(redis)),
  ]);
  const stop = async () => {
    const up = [first, second].filter((result) => result.status === 'fulfilled');
    await Promise.all(up.map((result) => result.value.stop()));
  };
  if (first.status === 'rejected' || second.status === 'rejected') {
    await stop();
    throw first.status === 'rejected' ? first.reason : (second as PromiseRejectedResult).reason;
  }
  if (first.value.adopted) say('  PostgreSQL is still running from an earlier start: using it');
  if (second.value.adopted) say('  Redis is still running from an earlier start: using it');
  return { databaseUrl: first.value.url, redisUrl: second.value.url, stop };
}

/** Deletes data that a deleted checkout at this path has left, because its keys are missing. */
async function claim({ folder, password }: ServersOptions): Promise<void> {
  const file = join(folder, 'keys');
  const keys = createHash('sha256').update(password).digest('hex');
  const found = await readFile(file, 'utf8').catch(() => undefined);
  if (found === keys) return;
  if (found !== undefined) {
    say('  the data here belongs to an earlier checkout, whose keys are missing: starting with empty data');
    await removeServers(folder);
  }
  await mkdir(folder, { recursive: true });
  await writeFile(file, keys);
}

/**
 * Clients accept almost any text, and then fail with misleading errors. The service checks the rest of the
 * URL.
 */
function checkUrl(variable: string, url: string | undefined, starts: string[]): void {
  if (url === undefined || starts.some((start) => url.startsWith(start))) return;
  throw new Plain(`${variable} is not a URL that starts with ${starts.join(' or ')}.`);
}

const untouched = (url: string) => ({ url, adopted: false, stop: async () => undefined });

async function givenPostgres(url: string) {
  say('  PostgreSQL: the one in DATABASE_URL');
  const client = new Client({ connectionString: url, connectionTimeoutMillis: ANSWER_MS });
  try {
    await client.connect();
    await client.query('SELECT 1');
  } catch (error) {
    throw new Plain(`DATABASE_URL: PostgreSQL refuses the connection: ${(error as Error).message}`);
  } finally {
    await client.end().catch(() => undefined);
  }
  return untouched(url);
}

async function givenRedis(url: string) {
  say('  Redis: the one in REDIS_URL');
  try {
    await askRedis(url, (client) => client.ping());
  } catch (error) {
    throw new Plain(`REDIS_URL: Redis refuses the connection: ${(error as Error).message}`);
  }
  return untouched(url);
}

export const devServersFolder = (): string => join(serversFolder(), 'dev');

export async function removeServers(folder: string): Promise<void> {
  await Promise.all([stopPostgres(join(folder, 'postgres')), stopRedis(join(folder, 'redis'))]);
  await rm(folder, { recursive: true, force: true });
}
