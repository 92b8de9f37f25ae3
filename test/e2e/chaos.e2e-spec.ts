import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it, jest } from '@jest/globals';
import { testDatabaseUrl, testQueuePrefix, testRedisUrl } from '#libs/testing';

// Replicas start, lives end.
jest.setTimeout(180_000);

const CHAOS = fileURLToPath(new URL('../chaos/', import.meta.url));

/** Runs one of the commands of test/chaos against this worker's servers. @throws Error with its report when it fails. */
async function run(command: string, ...flags: string[]): Promise<string> {
  const child = spawn(process.execPath, ['--import', `${CHAOS}load.mjs`, `${CHAOS}${command}`, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      NODE_OPTIONS: '',
      DATABASE_URL: await testDatabaseUrl(),
      REDIS_URL: testRedisUrl(),
      QUEUE_PREFIX: testQueuePrefix(),
    },
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += String(chunk)));
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`${command} ended with ${String(code)}:\n${said.slice(-20_000)}`);
  return said;
}

it('loses nothing while replicas die at every gap, and the network and upstream fail', async () => {
  const sizes = ['--callers', '8', '--services', '2', '--workers', '1'];
  const report = await run('run.ts', '--seed', '7', '--kills', '10', '--seconds', '45', ...sizes);
  expect(report).toMatch(/ 0 violations, 0 faults/);
  // Something was broken, and somebody was there whom it could hurt.
  const figure = (pattern: RegExp) => Number(pattern.exec(report)?.[1]);
  expect(figure(/: (\d+) kills in/)).toBeGreaterThan(4);
  expect(figure(/onboardings: (\d+)/)).toBeGreaterThan(8);
  expect(figure(/(\d+) without a whole answer/)).toBeGreaterThan(0);
});

it('has an answer to any call in any order, and no illegal history', async () => {
  const report = await run('random-orders.ts', '--seed', '7', '--calls', '500', '--people', '12');
  expect(report).toMatch(/0 kinds of 5xx, 0 illegal histories, 0 faults/);
});
