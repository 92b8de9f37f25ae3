import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { CHECKOUT } from './checkout.js';
import { Plain, runTool, say } from './console.js';
import { loadDevSecrets } from './dev-secrets.js';
import { developmentEnv } from './development-env.js';
import { printEnv } from './env.js';
import { servingHere } from './running.js';

const CLI = join(CHECKOUT, 'dist', 'apps', 'cli', 'src', 'main.js');
const HELP = new Set(['--help', '-h', 'help']);

/**
 * `npm run gangway -- …`. Without DATABASE_URL, the command has the environment of this folder's `npm start`.
 * With DATABASE_URL, the service's HASH_KEY must be set too, because the service finds API keys by their
 * hash.
 */
await runTool(() => {
  const [first, ...rest] = process.argv.slice(2);
  if (first === 'env') return printEnv(rest);
  const asksForHelp = first === undefined || process.argv.slice(2).some((word) => HELP.has(word));
  const { status, error } = spawnSync(
    process.execPath,
    ['--enable-source-maps', CLI, ...process.argv.slice(2)],
    {
      env: process.env['DATABASE_URL'] || asksForHelp ? process.env : serviceEnv(),
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

function serviceEnv(): NodeJS.ProcessEnv {
  const serving = servingHere();
  if (!serving) {
    throw new Plain('npm start does not serve in this folder. Start it, or set DATABASE_URL and HASH_KEY.');
  }
  const { servers, ports, integration } = serving;
  return developmentEnv(loadDevSecrets(), servers, ports, process.env, integration).env;
}
