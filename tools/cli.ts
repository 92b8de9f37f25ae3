import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CHECKOUT } from './checkout.js';
import { Plain, runTool, say } from './console.js';
import { DEV_SECRETS, loadDevSecrets } from './dev-secrets.js';
import { findPostgres } from './embedded/postgres.js';
import { printEnv } from './env.js';
import { devServersFolder } from './servers.js';

const CLI = join(CHECKOUT, 'dist', 'apps', 'cli', 'src', 'main.js');
const HELP = new Set(['--help', '-h', 'help']);

/**
 * `npm run gangway -- …`: the command line, over the database of `npm start` where DATABASE_URL names no other. Then
 * HASH_KEY is taken from nowhere: with a key of ours, what it wrote could never be found by a service with another.
 */
await runTool(async () => {
  const [first, ...rest] = process.argv.slice(2);
  if (first === 'env') return printEnv(rest);
  const asksForHelp = first === undefined || process.argv.slice(2).some((word) => HELP.has(word));
  const own = process.env['DATABASE_URL'] || asksForHelp;
  const env = own ? process.env : { ...process.env, ...(await development()) };
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
  if (first === undefined || HELP.has(first)) {
    say('\nIn a folder where npm start serves, this command also takes:\n  env [--json]');
    say('      Prints its addresses and key: eval "$(npm run -s gangway -- env)"');
  }
});

async function development(): Promise<{ DATABASE_URL: string; HASH_KEY: string }> {
  const folder = join(devServersFolder(), 'postgres');
  const secrets = existsSync(DEV_SECRETS) ? loadDevSecrets() : undefined;
  const url = secrets && (await findPostgres(folder, secrets.databasePassword));
  if (!url) {
    throw new Plain(
      'No database runs in this checkout: npm start brings one up. For another, set DATABASE_URL and HASH_KEY.',
    );
  }
  return { DATABASE_URL: url, HASH_KEY: process.env['HASH_KEY'] || secrets.hashKey };
}
