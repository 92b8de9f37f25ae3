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
 * Starts Redis on 127.0.0.1, keeping its data in an append-only file; one that already runs on the same folder
 * is taken over. It lives on in a session of its own until {@link EmbeddedServer.stop}.
 *
 * @throws Plain where no Redis can be had, or with the server's own words where it will not start
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

/** @throws PortTaken, or Plain with the server's own words */
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

/** Stops the Redis of this folder, if one runs there, and waits until its process is gone. */
export async function stopRedis(folder: string): Promise<void> {
  const left = await findLeft(folder);
  if (!left) return;
  process.kill(left.pid, 'SIGTERM');
  while (isAlive(left.pid)) await wait(20);
}

const configFile = (folder: string) => join(folder, 'redis.conf');
const urlOf = (port: number, password: string) => `redis://:${password}@127.0.0.1:${port}`;

/** A file and not flags: the password would stand in the list of processes. */
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
 * The Redis that an earlier run left behind on this folder: it answers on the port and to the password of the
 * folder's own configuration, and names that file as its own. Any other that took the port since is not ours.
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
 * Asks a Redis one thing over a connection of its own.
 *
 * @throws Error as the connection or the server has it; nothing is tried twice
 */
export async function askRedis<T>(url: string, ask: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: () => null, connectTimeout: 1_000 });
  // connect() rejects with a bare "Connection is closed."; why it closed is said here only.
  let reason: Error | undefined;
  client.on('error', (error: Error) => (reason = error));
  try {
    await client.connect();
    return await ask(client);
  } catch (error) {
    throw reason ?? error;
  } finally {
    // On a connection that has ended already, it would hold the process for two seconds more.
    if (client.status !== 'end') client.disconnect();
  }
}

async function untilReady(url: string, over: AbortSignal): Promise<undefined | string> {
  for (const endAt = Date.now() + START_MS; Date.now() < endAt && !over.aborted; await wait(20)) {
    // While it loads its data it answers PING with an error.
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
