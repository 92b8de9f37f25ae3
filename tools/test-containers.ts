import { connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { Client } from 'pg';
import type { StartedTestContainer } from 'testcontainers';
import { Plain } from './console.js';
import type { BareServers } from './test-servers.js';

const READY_MS = 30_000;
const NEAR_MS = 500;
const POSTGRES = 'postgres:17';
const REDIS = 'redis:8';

/** Loading takes half a second, so it happens only if needed. */
const testcontainers = () => import('testcontainers');

export async function containersAnswer(): Promise<boolean> {
  const { getContainerRuntimeClient } = await testcontainers();
  return getContainerRuntimeClient().then(
    () => true,
    () => false,
  );
}

/**
 * Starts PostgreSQL and Redis as containers on free ports.
 *
 * @throws Plain if no engine answers, or if a container does not start. The other one is removed first.
 */
export async function startContainers(): Promise<BareServers> {
  if (!(await containersAnswer())) {
    throw new Plain(
      'TEST_INFRA=containers, but no Docker engine answers. Start one, or use TEST_INFRA=embedded.',
    );
  }
  const { GenericContainer, Wait } = await testcontainers();
  const password = 'gangway';
  const [postgres, redis] = await Promise.allSettled([
    new GenericContainer(POSTGRES)
      .withEnvironment({ POSTGRES_USER: 'gangway', POSTGRES_PASSWORD: password })
      .withCommand(['postgres', '-c', 'max_connections=200', '-c', 'fsync=off'])
      .withExposedPorts(5432)
      .start(),
    new GenericContainer(REDIS)
      .withCommand(['redis-server', '--maxmemory-policy', 'noeviction', '--save', ''])
      .withExposedPorts(6379)
      .withWaitStrategy(Wait.forLogMessage('Ready to accept connections'))
      .start(),
  ]);
  const stop = async () => {
    const up = [postgres, redis].filter((result) => result.status === 'fulfilled');
    await Promise.all(up.map((result) => result.value.stop({ removeVolumes: true })));
  };
  try {
    if (postgres.status === 'rejected') throw new Plain(`${POSTGRES} did not start: ${postgres.reason}`);
    if (redis.status === 'rejected') throw new Plain(`${REDIS} did not start: ${redis.reason}`);
    // Docker's proxy would make the tests a tenth slower.
    const near = await answers(redis.value.getIpAddress('bridge'), 6379);
    const at = (container: StartedTestContainer, port: number) =>
      near
        ? `${container.getIpAddress('bridge')}:${port}`
        : `${container.getHost()}:${container.getMappedPort(port)}`;
    const databaseUrl = `postgres://gangway:${password}@${at(postgres.value, 5432)}/gangway`;
    await untilAnswers(databaseUrl);
    return { databaseUrl, redisUrl: `redis://${at(redis.value, 6379)}`, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** On macOS and Windows, this machine cannot connect to a container's own address. */
function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, timeout: NEAR_MS });
    const end = (reached: boolean) => {
      socket.destroy();
      resolve(reached);
    };
    socket.once('connect', () => end(true));
    socket.once('timeout', () => end(false));
    socket.once('error', () => end(false));
  });
}

/** PostgreSQL's port opens before the image has created the user. */
async function untilAnswers(url: string): Promise<void> {
  let reason: unknown;
  for (const endAt = Date.now() + READY_MS; Date.now() < endAt; await wait(100)) {
    const client = new Client({ connectionString: url });
    // When the image restarts the server, the query reports the error too.
    client.on('error', () => undefined);
    try {
      await client.connect();
      await client.query('SELECT 1');
      return;
    } catch (error) {
      reason = error;
    } finally {
      await client.end().catch(() => undefined);
    }
  }
  throw new Plain(`${POSTGRES} did not answer within ${READY_MS / 1_000} s: ${reason}`);
}
