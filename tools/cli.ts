import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { CHECKOUT } from './checkout.js';
import { Plain, runTool, say } from './console.js';
import { DEV_SECRETS, loadDevSecrets } from './dev-secrets.js';
import { findPostgres } from './embedded/postgres.js';
import { printEnv } from './env.js';
import { addressesOfRunning } from './running.js';
import { devServersFolder } from './servers.js';

const CLI = join(CHECKOUT, 'dist', 'apps', 'cli', 'src', 'main.js');
const HELP = new Set(['--help', '-h', 'help']);

/**
 * `npm run gangway -- …`: the command line. Without DATABASE_URL, it uses the database of `npm start`. With
 * DATABASE_URL, HASH_KEY must be set too, to the service's value: the service does not accept keys that are
 * hashed with another HASH_KEY.
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
    say('\nIn a folder with a running npm start, this command also takes:\n  env [--json]');
    say('      Prints the addresses and the key: eval "$(npm run -s gangway -- env)"');
  }
});

async function development(): Promise<Record<string, string>> {
  const folder = join(devServersFolder(), 'postgres');
  const secrets = existsSync(DEV_SECRETS) ? loadDevSecrets() : undefined;
  const url = secrets && (await findPostgres(folder, secrets.databasePassword));
  if (!url) {
    throw new Plain(
      'No database runs for this checkout. Run npm start, or set DATABASE_URL and HASH_KEY for another one.',
    );
  }
  const consoleUrl = process.env['CONSOLE_URL'] || addressesOfRunning()?.CONSOLE;
  return {
    DATABASE_URL: url,
    HASH_KEY: process.env['HASH_KEY'] || secrets.hashKey,
    ...(consoleUrl && { CONSOLE_URL: consoleUrl }),
  };
}
