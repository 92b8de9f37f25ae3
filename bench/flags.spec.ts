import { spawnSync } from 'node:child_process';
import { expect, it } from '@jest/globals';

it.each([
  ['bench/run.ts', 'npm run bench'],
  ['bench/check.ts', 'npm run bench:check'],
])('%s shows its help, and refuses an unknown flag before it measures anything', (entry, name) => {
  const run = (...args: string[]) =>
    spawnSync(process.execPath, ['--import', './bench/load.mjs', entry, ...args], {
      encoding: 'utf8',
      env: { ...process.env, NODE_OPTIONS: '' },
      timeout: 20_000,
    });
  expect(run('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining(`Usage: ${name}`) });
  const stderr = `gangway: ${name} has no flag --bogus. For all flags: ${name} -- --help\n`;
  expect(run('--bogus')).toMatchObject({ status: 2, stderr });
});
