import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { CHECKOUT } from './checkout.js';
import { Plain, runTool } from './console.js';
import { loadDevSecrets } from './dev-secrets.js';
import { findPostgres } from './embedded/postgres.js';
import { devServersFolder } from './servers.js';

const CLI = join(CHECKOUT, 'dist', 'apps', 'cli', 'src', 'main.js');

/**
 * `npm run gangway -- …`: the command line, over the database of `npm start` where DATABASE_URL names no other. Then
 * HASH_KEY is taken from nowhere: with a key of ours, what it wrote could never be found by a service with another.
 */
await runTool(async () => {
  const env = process.env['DATABASE_URL'] ? process.env : { ...process.env, ...(await development()) };
  const { status, error } = spawnSync(
    process.execPath,
    ['--enable-source-maps', CLI, ...process.argv.slice(2)],
    {
      env,
      stdio: 'inherit',
    },
  );
  if (error) throw error;
  process.exitCode = status ?? 1;
});

async function development(): Promise<{ DATABASE_URL: string; HASH_KEY: string }> {
  const { databasePassword, hashKey } = loadDevSecrets();
  const folder = join(devServersFolder(), 'postgres');
  const url = await findPostgres(folder, databasePassword);
  if (!url) {
    throw new Plain(
      'No database runs in this checkout: npm start brings one up. For another, set DATABASE_URL and HASH_KEY.',
    );
  }
  return { DATABASE_URL: url, HASH_KEY: process.env['HASH_KEY'] || hashKey };
}
