import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from '@jest/globals';
import { CHECKOUT } from './checkout.js';

it('the migration names the variable of a database that does not answer, and prints no stack', () => {
  const env = { DATABASE_URL: 'postgres://127.0.0.1:1/gangway' };
  const program = join(CHECKOUT, 'dist', 'tools', 'migrate.js');
  const { status, stderr } = spawnSync(process.execPath, [program], { env, encoding: 'utf8' });
  const reason = 'MIGRATION_DATABASE_URL, or DATABASE_URL: connect ECONNREFUSED 127.0.0.1:1';
  expect({ status, stderr }).toEqual({ status: 1, stderr: `\ngangway: ${reason}\n` });
});
