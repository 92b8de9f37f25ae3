import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { Plain } from '../console.js';
import { ensureFree, onFreePort, PortTaken } from '../ports.js';
import type { EmbeddedOptions, EmbeddedServer } from './embedded-server.js';
import { findRedis, type RedisBinary } from './redis-binary.js';

const START_MS = 60_000;

/**
 * Starts Redis on 127.0.0.1 with an append-only file, or uses the Redis that already runs on the same data.
 * The server runs in its own session until {@link EmbeddedServer.stop}.
 *
 * @throws Plain if no Redis can be found, or with the server's message if it does not start
 */
export async function startRedis(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const { folder } = options;
  const stop = () => stopRedis(folder);
  const left = await findLeft(folder);
  if (left) return { url: left.url, adopted: true, stop };

  await mkdir(folder, { recursive: true });
  const { program, libraries } = await findRedis();
  const url = await onFreePort('Redis', options.port, async (port) => {
    await ensureFree(port);
    return launch({ program, libraries }, port, options);
  });
  return { url, adopted: false, stop };
}

/** @throws PortTaken, or Plain with the server's message */
async function launch(
  { program, libraries }: RedisBinary,
  port: number,
  options: EmbeddedOptions,
): Promise<string> {
  const { folder } = options;
  const config = configFile(folder);
  const log = join(folder, 'redis.log');
  await writeFile(config, settings(options, port), { mode: 0o600 });
  const output = openSync(log, 'w');
  const child = spawn(program, [config], {
    cwd: folder,
    detached: true,
    stdio: ['ignore', output, output],
    env: { ...process.env, ...(libraries ? { LD_LIBRARY_PATH: libraries } : {}) },
  });
  closeSync(output);
  const failed = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code) => resolve(`it ended with ${code}`));
  });
  child.unref();

  const url = urlOf(port, options.password);
  const over = new AbortController();
  const why = await Promise.race([failed, untilReady(url, over.signal)]).finally(() => over.abort());
  if (why === undefined) return url;
  const words = await readFile(log, 'utf8');
  if (/address already in use/i.test(words)) throw new PortTaken(words);
  throw new Plain(
    `Redis did not start (${why}). The end of ${log}:\n${words.split('\n').slice(-8).join('\n')}`,
  );
}

/** Stops the Redis of this folder, if one runs, and waits for its end. */
export async function stopRedis(folder: string): Promise<void> {
  const left = await findLeft(folder);
  if (!left) return;
  process.kill(left.pid, 'SIGTERM');
  while (isAlive(left.pid)) await wait(20);
}

const configFile = (folder: string) => join(folder, 'redis.conf');
const urlOf = (port: number, password: string) => `redis://:${password}@127.0.0.1:${port}`;

/** Written to a file, because flags would show the password in the list of processes. */
function settings(options: EmbeddedOptions, port: number): string {
  return [
    'bind 127.0.0.1',
    `port ${port}`,
    `requirepass ${options.password}`,
    `dir "${options.folder}"`,
    'save ""',
    'maxmemory-policy noeviction',
    ...(options.throwaway ? ['appendonly no'] : ['appendonly yes', 'appendfsync everysec']),
    '',
  ].join('\n');
}

/**
 * Finds a Redis that an earlier run has left running on this folder's data. Another Redis may use the port
 * now, so the Redis there must accept the password and report the same configuration file.
 */
async function findLeft(folder: string): Promise<{ url: string; pid: number } | undefined> {
  const config = configFile(folder);
  if (!existsSync(config)) return undefined;
  const text = await readFile(config, 'utf8');
  const port = Number(/^port (\d+)$/m.exec(text)?.[1]);
  const url = urlOf(port, /^requirepass (\S+)$/m.exec(text)?.[1] ?? '');
  const info = await askRedis(url, (client) => client.info('server')).catch(() => '');
  if (/^config_file:(.*?)\r?$/m.exec(info)?.[1] !== config) return undefined;
  return { url, pid: Number(/^process_id:(\d+)/m.exec(info)?.[1]) };
}

/**
 * Sends one request over its own connection.
 *
 * @throws Error of the connection or the server, without a retry
 */
export async function askRedis<T>(url: string, ask: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null, connectTimeout: 1_000 });
  // If connect() fails, only the event `error` has the reason.
  let reason: Error | undefined;
  client.on('error', (error: Error) => (reason = error));
  try {
    await client.connect();
    return await ask(client);
  } catch (error) {
    throw reason ?? error;
  } finally {
    // On an ended connection, disconnect() would keep the process alive for two seconds.
    if (client.status !== 'end') client.disconnect();
  }
}

async function untilReady(url: string, over: AbortSignal): Promise<undefined | string> {
  for (const endAt = Date.now() + START_MS; Date.now() < endAt && !over.aborted; await wait(20)) {
    // Redis answers PING with an error while it loads its data.
    const answer = await askRedis(url, (client) => client.ping()).catch(() => undefined);
    if (answer === 'PONG') return undefined;
  }
  return `no answer within ${START_MS / 1_000} s`;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
