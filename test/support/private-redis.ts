import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { startRedis } from '../../tools/embedded/redis.js';

/** A Redis that a test may change, because no other test uses it. */
export interface PrivateRedis {
  url: string;
  port: number;
  /** Stays usable when the password changes or Redis pauses clients. */
  admin: Redis;
  pid: number;
  folder: string;
  stop(): Promise<void>;
}

/** @param password also of its master, if it becomes a replica */
export async function startPrivateRedis(password = randomBytes(12).toString('hex')): Promise<PrivateRedis> {
  const folder = await mkdtemp(join(tmpdir(), 'gangway-redis-'));
  const server = await startRedis({
    folder,
    password,
    port: 20_000 + Math.floor(Math.random() * 10_000),
    throwaway: true,
  });
  const admin = new Redis(server.url, { retryStrategy: () => null });
  admin.on('error', () => undefined);
  const info = await admin.info('server');
  await admin.config('SET', 'masterauth', password);
  return {
    url: server.url,
    port: Number(new URL(server.url).port),
    admin,
    pid: Number(/^process_id:(\d+)/m.exec(info)![1]),
    folder,
    async stop() {
      admin.disconnect();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export interface Sickness {
  name: string;
  /** Matches what `/health/ready` shows. */
  says: RegExp;
  strike(redis: PrivateRedis): Promise<unknown>;
  mend(redis: PrivateRedis): Promise<unknown>;
}

export const READ_ONLY: Sickness = {
  name: 'is a replica of a master that is gone',
  says: /^Redis is a read-only replica and refuses writes \(READONLY\)$/,
  strike: ({ admin }) => admin.replicaof('127.0.0.1', 1),
  mend: ({ admin }) => admin.replicaof('NO', 'ONE'),
};

/** The faults of a Redis that still accepts connections. */
export const SICKNESSES: Sickness[] = [
  READ_ONLY,
  {
    name: 'is a replica without its master, and serves no stale data',
    says: /^Redis (is a read-only replica|is a replica that has lost its master)/,
    strike: async ({ admin }) => {
      await admin.config('SET', 'replica-serve-stale-data', 'no');
      await admin.replicaof('127.0.0.1', 1);
    },
    mend: async ({ admin }) => {
      await admin.replicaof('NO', 'ONE');
      await admin.config('SET', 'replica-serve-stale-data', 'yes');
    },
  },
  {
    name: 'is full',
    says: /^Redis is full and refuses writes: maxmemory is reached \(OOM\)$/,
    strike: ({ admin }) => admin.config('SET', 'maxmemory', '1'),
    mend: ({ admin }) => admin.config('SET', 'maxmemory', '0'),
  },
  {
    name: 'cannot save to its disk',
    says: /^Redis refuses writes because it cannot save to its disk \(MISCONF\)$/,
    strike: async ({ admin, folder }) => {
      await mkdir(join(folder, 'dump.rdb'));
      await admin.config('SET', 'save', '3600 1');
      await admin.bgsave();
    },
    mend: async ({ admin, folder }) => {
      await rmdir(join(folder, 'dump.rdb'));
      await admin.bgsave();
    },
  },
  {
    name: 'has too few replicas',
    says: /^Redis refuses writes because it has too few replicas \(NOREPLICAS\)$/,
    strike: ({ admin }) => admin.config('SET', 'min-replicas-to-write', '1'),
    mend: ({ admin }) => admin.config('SET', 'min-replicas-to-write', '0'),
  },
  {
    name: 'no longer permits its user to write',
    says: /^Redis does not permit the user of REDIS_URL what Gangway needs \(NOPERM\)$/,
    strike: ({ admin }) => admin.call('ACL', 'SETUSER', 'default', '-@write'),
    mend: ({ admin }) => admin.call('ACL', 'SETUSER', 'default', '+@all'),
  },
  {
    name: 'has another password now',
    says: /^Redis refuses the user or password of REDIS_URL \(WRONGPASS\)$/,
    strike: async ({ admin }) => {
      await admin.config('SET', 'requirepass', 'another');
      await admin.client('KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    },
    mend: ({ admin, url }) => admin.config('SET', 'requirepass', new URL(url).password),
  },
  {
    name: 'pauses all writes',
    says: /^Redis (does not answer a write: it hangs, or CLIENT PAUSE holds it up|has not answered for 1 s)$/,
    strike: ({ admin }) => admin.client('PAUSE', 60_000, 'WRITE'),
    mend: ({ admin }) => admin.client('UNPAUSE'),
  },
  {
    name: 'is blocked by a script',
    says: /^Redis is held up by a script \(BUSY\)$/,
    strike: async ({ admin }) => {
      await admin.config('SET', 'busy-reply-threshold', '50');
      // The admin connection must stay free to end the script.
      const script = admin.duplicate();
      script.on('error', () => undefined);
      void script.eval('while true do end', 0).catch(() => script.disconnect());
    },
    mend: ({ admin }) => admin.script('KILL'),
  },
  {
    name: 'is suspended by SIGSTOP',
    says: /^Redis (does not answer|has not answered)/,
    strike: async ({ pid }) => process.kill(pid, 'SIGSTOP'),
    mend: async ({ pid }) => process.kill(pid, 'SIGCONT'),
  },
];
