import { execFileSync, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Client } from 'pg';
import { serversFolder } from '../tools/checkout.js';
import { startPostgres, stopPostgres } from '../tools/embedded/postgres.js';
import { askRedis, startRedis } from '../tools/embedded/redis.js';
import { removeServers } from '../tools/servers.js';

export interface Servers {
  databaseUrl(database: string): string;
  redisUrl: string;
  postgresPid: number;
  redisPid: number;
  stop(): Promise<void>;
}

const PASSWORD = 'only-for-one-bench-run';

/**
 * As in production, fsync is on, and Redis syncs its append-only file every second.
 *
 * @param statements whether PostgreSQL loads pg_stat_statements, which makes it a little slower
 */
export async function startServers(statements: boolean): Promise<Servers> {
  const base = serversFolder();
  for (const name of readdirSync(base)) {
    const owner = Number(/^bench-(\d+)$/.exec(name)?.[1]);
    if (owner && !existsSync(`/proc/${owner}`)) await removeServers(join(base, name));
  }
  const folder = join(base, `bench-${process.pid}`);
  const options = (name: string, port: number) => ({ folder: join(folder, name), password: PASSWORD, port });
  await settle((await startPostgres(options('postgres', 25_432))).url, statements);
  await stopPostgres(join(folder, 'postgres'));
  const { url } = await startPostgres(options('postgres', 25_433));
  const redisUrl = (await startRedis(options('redis', 26_379))).url;
  const info = await askRedis(redisUrl, (redis) => redis.info('server'));
  const pidFile = readFileSync(join(folder, 'postgres', 'data', 'postmaster.pid'), 'utf8');
  return {
    databaseUrl: (database) => url.replace(/\/[^/]*$/, `/${database}`),
    redisUrl,
    postgresPid: Number(pidFile.split('\n')[0]),
    redisPid: Number(/^process_id:(\d+)/m.exec(info)?.[1]),
    async stop() {
      await removeServers(folder);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A checkpoint during a turn would write the pages of all contenders, and slow down the current one. */
async function settle(url: string, statements: boolean): Promise<void> {
  const settings: Record<string, string> = { checkpoint_timeout: '1h', max_wal_size: '16GB' };
  if (statements) {
    settings['shared_preload_libraries'] = 'pg_stat_statements';
    settings['pg_stat_statements.track_planning'] = 'on';
  }
  const client = new Client({ connectionString: url });
  await client.connect();
  for (const [name, value] of Object.entries(settings)) {
    await client.query(`ALTER SYSTEM SET ${name} = '${value}'`);
  }
  await client.end();
}

/** @returns the URL of a new, empty database */
export async function makeDatabase(servers: Servers, name: string): Promise<string> {
  const client = new Client({ connectionString: servers.databaseUrl('postgres') });
  await client.connect();
  await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  await client.query(`CREATE DATABASE ${name}`);
  await client.end();
  return servers.databaseUrl(name);
}

export function findPgBouncer(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];
  return folders.map((folder) => join(folder, 'pgbouncer')).find(existsSync);
}

export async function startPgBouncer(program: string, databaseUrl: string) {
  const { hostname, port, username, password, pathname } = new URL(databaseUrl);
  const folder = mkdtempSync(join(tmpdir(), 'gangway-bench-pgbouncer-'));
  mkdirSync(folder, { recursive: true });
  const own = await freePort();
  const users = join(folder, 'users.txt');
  const config = join(folder, 'pgbouncer.ini');
  writeFileSync(users, `"${username}" "${password}"\n`);
  writeFileSync(
    config,
    [
      '[databases]',
      `* = host=${hostname} port=${port}`,
      '[pgbouncer]',
      'listen_addr = 127.0.0.1',
      `listen_port = ${own}`,
      'unix_socket_dir =',
      'auth_type = plain',
      `auth_file = ${users}`,
      'pool_mode = transaction',
      'max_client_conn = 200',
      'default_pool_size = 20',
      '',
    ].join('\n'),
  );
  // PgBouncer refuses to run as root.
  const asRoot = process.getuid?.() === 0 ? { uid: unprivileged('-u'), gid: unprivileged('-g') } : {};
  if (asRoot.uid) execFileSync('chown', ['-R', String(asRoot.uid), folder]);
  const child = spawn(program, ['-q', config], { stdio: 'ignore', cwd: '/', ...asRoot });
  await untilListens(own);
  return {
    url: `postgres://${username}:${password}@127.0.0.1:${own}${pathname}`,
    pid: child.pid!,
    async stop() {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/**
 * Returns no port twice, because contenders start at the same time. Avoids the range of outgoing connections.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(20_000, 32_768);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
}

const given = new Set<number>();

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    server.close();
  }
}

const unprivileged = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));

async function untilListens(port: number): Promise<void> {
  for (const until = Date.now() + 10_000; Date.now() < until; await wait(20)) {
    const socket = createConnection(port, '127.0.0.1');
    const [name] = await Promise.race([
      once(socket, 'connect').then(() => ['up']),
      once(socket, 'error').then(() => ['down']),
    ]).catch(() => ['down']);
    socket.destroy();
    if (name === 'up') return;
  }
  throw new Error(`nothing listens on port ${port}`);
}
