import { randomBytes } from 'node:crypto';
import { Client, escapeIdentifier } from 'pg';
import { migrate } from '#libs/database';
import { Plain, say, step } from './console.js';
import { containersAnswer, startContainers } from './test-containers.js';
import { askRedis } from './embedded/redis.js';
import { givenServers } from './servers.js';
import { startEmbedded } from './test-embedded.js';

const KINDS = ['auto', 'containers', 'embedded', 'given'] as const;
type Kind = (typeof KINDS)[number];

/** The servers of one test run. PostgreSQL's user may create databases. */
export interface BareServers {
  databaseUrl: string;
  redisUrl: string;
  stop(): Promise<void>;
}

export interface TestServers {
  /** For libs/testing in each jest worker. */
  env: Record<string, string>;
  stop(): Promise<void>;
}

/**
 * Starts the servers that TEST_INFRA names, and makes a migrated database, which each jest worker clones.
 * {@link TestServers.stop} removes all databases and keys of the run, on given servers too.
 *
 * @throws Plain if TEST_INFRA has a wrong value, or its servers do not start
 */
export async function startTestServers(): Promise<TestServers> {
  const servers = await bareServers();
  const run = `${Date.now().toString(36)}${randomBytes(2).toString('hex')}`;
  const template = `gangway_test_${run}`;
  const stop = async () => {
    try {
      await forget(servers, run);
    } finally {
      await servers.stop();
    }
  };
  try {
    await step('Preparing the template database', async () => {
      await query(servers.databaseUrl, `CREATE DATABASE ${escapeIdentifier(template)}`);
      await migrate(withDatabase(servers.databaseUrl, template));
    });
  } catch (error) {
    await stop().catch(() => undefined); // Keep the first error, which has the cause.
    throw error;
  }
  const env = {
    GANGWAY_TEST_RUN: run,
    GANGWAY_TEST_DATABASE_URL: servers.databaseUrl,
    GANGWAY_TEST_TEMPLATE: template,
    GANGWAY_TEST_REDIS_URL: servers.redisUrl,
  };
  return { env, stop };
}

async function bareServers(): Promise<BareServers> {
  const kind = process.env['TEST_INFRA'] || 'auto';
  if (!KINDS.includes(kind as Kind))
    throw new Plain(`TEST_INFRA must be one of ${KINDS.join(', ')}, not "${kind}".`);
  const given = givenServers();
  const both = given.databaseUrl !== undefined && given.redisUrl !== undefined;
  const none = given.databaseUrl === undefined && given.redisUrl === undefined;

  if (kind === 'given' && !both) throw new Plain('TEST_INFRA=given needs both DATABASE_URL and REDIS_URL.');
  if (kind === 'given' || (kind === 'auto' && !none)) {
    say(`Tests use the given ${both ? 'servers' : 'server, and an embedded one'}.`);
    return startEmbedded(given);
  }
  if (kind === 'containers' || (kind === 'auto' && (await containersAnswer()))) {
    say('Tests use containers (testcontainers: postgres:17, redis:8).');
    return step('Starting the containers', startContainers);
  }
  say(`Tests use embedded servers${kind === 'auto' ? ', because no Docker engine answers' : ''}.`);
  return startEmbedded({ databaseUrl: undefined, redisUrl: undefined });
}

async function forget({ databaseUrl, redisUrl }: BareServers, run: string): Promise<void> {
  const { rows } = await query(
    databaseUrl,
    'SELECT datname FROM pg_database WHERE starts_with(datname, $1)',
    [`gangway_test_${run}`],
  );
  for (const { datname } of rows as { datname: string }[]) {
    await query(databaseUrl, `DROP DATABASE IF EXISTS ${escapeIdentifier(datname)} WITH (FORCE)`);
  }
  await askRedis(redisUrl, async (redis) => {
    for await (const keys of redis.scanStream({ match: `{gangway-test-${run}-*`, count: 1_000 })) {
      if ((keys as string[]).length > 0) await redis.unlink(...(keys as string[]));
    }
  });
}

async function query(url: string, sql: string, values: unknown[] = []) {
  const client = new Client({ connectionString: url });
  try {
    await client.connect();
    return await client.query(sql, values);
  } catch (error) {
    const { message } = error as Error;
    throw new Plain(
      `The tests' PostgreSQL refused. Its user must be allowed to create databases. ${message}`,
    );
  } finally {
    await client.end();
  }
}

function withDatabase(url: string, name: string): string {
  const changed = new URL(url);
  changed.pathname = `/${name}`;
  return changed.href;
}
