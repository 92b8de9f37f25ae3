import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { testDatabaseUrl } from '#libs/testing';

const MAIN = fileURLToPath(new URL('../../../dist/apps/cli/src/main.js', import.meta.url));
const HASH_KEY = Buffer.alloc(32, 9).toString('base64');
let databaseUrl: string;
beforeAll(async () => {
  databaseUrl = await testDatabaseUrl();
});

interface Ended {
  code: number | null;
  out: string;
  err: string;
}

/** Runs the compiled command line, with nothing in its environment but what it is said to need. */
function gangway(args: string[], env: Record<string, string> = {}): Promise<Ended> {
  const cache = process.env['NODE_COMPILE_CACHE'];
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: {
      NODE_ENV: 'production',
      DATABASE_URL: databaseUrl,
      HASH_KEY,
      ...(cache && { NODE_COMPILE_CACHE: cache }),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => (out += String(chunk)));
  child.stderr.on('data', (chunk: Buffer) => (err += String(chunk)));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, out, err })));
}

const json = async (...args: string[]) => {
  const { code, out, err } = await gangway([...args, '--json']);
  expect({ code, err }).toEqual({ code: 0, err: '' });
  return JSON.parse(out) as { id: string; token: string; state: string; items: { id: string }[] };
};

describe('keys', () => {
  it('are made, listed, rotated and revoked, each on record', async () => {
    const made = await json(
      'keys',
      'create',
      '--caller',
      'till',
      '--scopes',
      'onboardings:read',
      '--expires-in',
      '90d',
    );
    expect(made.token).toMatch(new RegExp(`^gw_${made.id}_`));
    const rotated = await json('keys', 'rotate', made.id, '--overlap', '0');
    expect(await json('keys', 'revoke', rotated.id)).toMatchObject({ id: rotated.id, state: 'revoked' });
    const { items } = await json('keys', 'list', '--caller', 'till');
    expect(items).toMatchObject([
      { id: rotated.id },
      { id: made.id, state: 'revoked', rotatedTo: rotated.id },
    ]);
    const shown = await gangway(['keys', 'list']);
    expect(shown.out).toContain(made.id);
    expect(shown.out + JSON.stringify(items)).not.toContain(made.token.slice(-43));

    const client = new Client({ connectionString: databaseUrl });
    await client.connect();
    const { rows } = await client.query(
      'SELECT actor, action FROM audit_events WHERE target IN ($1, $2) ORDER BY id',
      [made.id, rotated.id],
    );
    await client.end();
    const actor = expect.stringMatching(/^cli:./);
    expect(rows).toEqual([
      { actor, action: 'api_key_created' },
      { actor, action: 'api_key_rotated' },
      { actor, action: 'api_key_revoked' },
    ]);
  }, 60_000);
});

describe('what cannot be done', () => {
  it('is code 1, and a line that shows no secret', async () => {
    const away = await gangway(['keys', 'list'], { DATABASE_URL: 'postgres://x:tiny-secret@127.0.0.1:1/x' });
    expect([away.code, away.err]).toEqual([1, expect.stringContaining('cannot be reached')]);
    expect(away.err).not.toContain('tiny-secret');
    const nobody = await gangway(['keys', 'revoke', '0'.repeat(20)]);
    expect([nobody.code, nobody.err]).toEqual([1, expect.stringContaining('There is no API key')]);
  }, 60_000);
});
