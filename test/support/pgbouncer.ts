import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe } from '@jest/globals';
import { testDatabaseUrl, until } from '#libs/testing';
import { closedPort } from './ports.js';

export type PoolMode = 'session' | 'transaction' | 'statement';

export interface PgBouncer {
  port: number;
  stop(): Promise<void>;
}

function findPgBouncer(): string | null {
  const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin`;
  try {
    return execFileSync('sh', ['-c', 'command -v pgbouncer'], {
      env: { PATH: path },
      encoding: 'utf8',
    }).trim();
  } catch {
    return null;
  }
}

const program = findPgBouncer();
if (program === null) {
  process.stderr.write('NOT TESTED: PgBouncer is not on the PATH. On Debian: apt-get install pgbouncer\n');
}

export const describeWithPgBouncer = program === null ? describe.skip : describe;

export async function behindPgBouncer<T>(
  mode: PoolMode,
  work: (url: string, port: number) => Promise<T>,
  more: Record<string, string | number> = {},
): Promise<T> {
  const url = new URL(await testDatabaseUrl());
  const limits = { max_client_conn: 500, default_pool_size: 40, ...more };
  const pgbouncer = await startPgBouncer(url.href, mode, limits);
  url.port = String(pgbouncer.port);
  try {
    return await work(url.href, pgbouncer.port);
  } finally {
    await pgbouncer.stop();
  }
}

/** Starts PgBouncer with its default settings, except `mode` and `more`. */
export async function startPgBouncer(
  server: string,
  mode: PoolMode,
  more: Record<string, string | number> = {},
): Promise<PgBouncer> {
  const { hostname, port, username, password } = new URL(server);
  const folder = await mkdtemp(join(tmpdir(), 'gangway-pgbouncer-'));
  const own = await closedPort();
  const settings = {
    listen_addr: '127.0.0.1',
    listen_port: own,
    unix_socket_dir: '',
    auth_type: 'plain',
    auth_file: join(folder, 'users.txt'),
    pool_mode: mode,
    admin_users: decodeURIComponent(username),
    ...more,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  await writeFile(
    join(folder, 'pgbouncer.ini'),
    ['[databases]', `* = host=${hostname} port=${port}`, '[pgbouncer]', ...lines, ''].join('\n'),
  );
  const quoted = [username, password].map((part) => `"${decodeURIComponent(part)}"`).join(' ');
  await writeFile(join(folder, 'users.txt'), `${quoted}\n`);
  for (const [path, mask] of [
    [folder, 0o755],
    ...FILES.map((name) => [join(folder, name), 0o644]),
  ] as const) {
    await chmod(path as string, mask as number);
  }
  // PgBouncer does not run as root.
  const asRoot = process.getuid?.() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : {};
  const child = spawn(program!, [join(folder, 'pgbouncer.ini')], { stdio: 'ignore', cwd: '/', ...asRoot });
  await until('PgBouncer listens', () => answers(own));
  return {
    port: own,
    async stop() {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
      await rm(folder, { recursive: true });
    },
  };
}

const FILES = ['pgbouncer.ini', 'users.txt'];

const idOf = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }).trim());

async function answers(port: number): Promise<boolean> {
  const socket = createConnection(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
