import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { testDatabaseUrl, ownQueuePrefix, testRedisUrl } from '#libs/testing';

const TESTS = fileURLToPath(new URL('../', import.meta.url));

/**
 * Runs a program for long tests, with the servers of this jest worker.
 *
 * @param command a file under test/, for example `chaos/run.ts`.
 * @throws Error with the program's output if it fails.
 */
export async function runCommand(command: string, ...flags: string[]): Promise<string> {
  const child = spawn(
    process.execPath,
    ['--import', `${TESTS}support/drivers/load.mjs`, `${TESTS}${command}`, ...flags],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        NODE_OPTIONS: '',
        DATABASE_URL: await testDatabaseUrl(),
        REDIS_URL: testRedisUrl(),
        QUEUE_PREFIX: ownQueuePrefix(),
      },
    },
  );
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += String(chunk)));
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code !== 0) throw new Error(`${command} ended with ${String(code)}:\n${said.slice(-20_000)}`);
  return said;
}
