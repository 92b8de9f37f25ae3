import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { Client } from 'pg';
import { anOnboarding, testDatabaseUrl, until } from '#libs/testing';

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

/** Runs the compiled command line with only the required variables. */
function gangway(args: string[], env: Record<string, string> = {}, typed = ''): Promise<Ended> {
  const cache = process.env['NODE_COMPILE_CACHE'];
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: {
      NODE_ENV: 'production',
      DATABASE_URL: databaseUrl,
      HASH_KEY,
      ...(cache && { NODE_COMPILE_CACHE: cache }),
      ...env,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.end(typed);
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

describe('the commands for keys', () => {
  it('make, list, rotate and revoke keys, and audit each change', async () => {
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
  }, 180_000);
});

describe('the output of a command', () => {
  it('escapes control characters, and characters that change the direction of text', async () => {
    const client = new Client({ connectionString: databaseUrl });
    await client.connect();
    const values = ['operator:x', 'tried', 'a\u001b[2J\r\nb\u202e'];
    await client.query('INSERT INTO audit_events (actor, action, target) VALUES ($1, $2, $3)', values);
    await client.end();
    const { out } = await gangway(['audit', 'list', '--limit', '1']);
    expect(out).toContain(String.raw`a\u{1b}[2J\u{d}\u{a}b\u{202e}`);
    expect(out.trim().split('\n')).toHaveLength(1);
  }, 180_000);
});

describe('the commands for the console', () => {
  it('make a login link, and audit the link without its token', async () => {
    const env = { CONSOLE_URL: 'https://ops.example.com' };
    const made = await gangway(['console', 'link', '--name', 'Ana', '--role', 'viewer'], env);
    expect([made.code, made.err]).toEqual([0, '']);
    const [, token = ''] =
      /^https:\/\/ops\.example\.com\/login\/link\?token=([\w-]{43})\n$/.exec(made.out) ?? [];
    expect(token).not.toBe('');
    const audit = await json('audit', 'list', '--limit', '1');
    expect(audit.items).toMatchObject([
      { action: 'console_link_made', target: 'operator:link:Ana', data: { role: 'viewer' } },
    ]);
    expect(JSON.stringify(audit)).not.toContain(token);
  }, 180_000);

  it('refuse an unknown role, and a name without a visible character', async () => {
    const god = await gangway(['console', 'link', '--name', 'ana', '--role', 'god']);
    expect([god.code, god.err]).toEqual([2, expect.stringContaining('viewer, operator, admin')]);
    const nobody = await gangway(['console', 'link', '--name', ' : ', '--role', 'viewer']);
    expect([nobody.code, nobody.err]).toEqual([1, expect.stringContaining('needs a name')]);
  }, 180_000);
});

describe('the commands for timelines', () => {
  it('verify one timeline or all, and exit with code 1 if they find a changed timeline', async () => {
    const client = new Client({ connectionString: databaseUrl });
    await client.connect();
    const [whole, cut, forged] = [
      await anOnboarding(client),
      await anOnboarding(client),
      await anOnboarding(client, { state: 'cancelled', anchor: Buffer.alloc(32), anchored_seq: 2 }),
    ];
    for (const id of [whole, cut, forged]) {
      for (const [seq, type] of ['created', 'otp_sent'].entries()) {
        await client.query(
          'INSERT INTO onboarding_events (onboarding_id, seq, type, actor) VALUES ($1, $2, $3, $4)',
          [id, seq + 1, type, 'caller'],
        );
      }
      await client.query('UPDATE onboardings SET last_seq = 2 WHERE id = $1', [id]);
    }
    expect(await json('timeline', 'verify', whole)).toEqual({
      timelines: 1,
      events: 2,
      anchored: 0,
      broken: [],
    });
    await client.query('DELETE FROM onboarding_events WHERE onboarding_id = $1 AND seq = 2', [cut]);
    await client.end();
    const all = await gangway(['timeline', 'verify', 'all']);
    expect([all.code, all.err]).toEqual([1, '']);
    expect(all.out).toContain(`${cut}: event 2 is missing.`);
    expect(all.out).toContain(`${forged}: event 2 or an event before it has changed`);
    expect(all.out).toContain(
      'No anchor matches its timeline. Is HASH_KEY the key with which this database was written?',
    );
    expect(all.out).not.toContain(`${whole}:`);
    expect(all.out).toMatch(/1 of them anchored: 2 broken\.$/m);
  }, 180_000);
});

describe('the commands for onboardings and operations', () => {
  it('list and show onboardings, and start, list and abort operations', async () => {
    const client = new Client({ connectionString: databaseUrl });
    await client.connect();
    const lost = { state: 'outcome_unknown', step: 'create-authenticators', external_ref: 'of-cli' };
    const [one, other] = [await anOnboarding(client, lost), await anOnboarding(client, lost)];
    const filter = ['--state', 'outcome_unknown,otp_submitted', '--external-ref', 'of-cli'];
    const list = await gangway(['onboardings', 'list', ...filter, '--limit', '1']);
    expect(list.out).toMatch(
      /outcome_unknown \(create-authenticators\)[^]*2 onboardings, the newest 1 of them/,
    );
    const found = await json('onboardings', 'list', ...filter);
    expect(found.items.map(({ id }) => id).sort()).toEqual([one, other].sort());
    expect(await json('onboardings', 'list', ...filter, '--step', 'verify-otp')).toMatchObject({ items: [] });
    const shown = await gangway(['onboardings', 'show', one]);
    expect(shown.out).toMatch(new RegExp(`changed +externalRef\\n${one} .*  of-cli\\n`));

    const resolve = [
      'onboardings',
      'resolve',
      'filtered',
      ...filter,
      '--outcome',
      'done',
      '--reason',
      'seen',
    ];
    expect(await json(...resolve, '--dry-run')).toMatchObject({ count: 2 });
    const more = await gangway([...resolve, '--at-most', '1']);
    expect([more.code, more.err]).toEqual([1, expect.stringContaining('Now 2 onboardings match')]);
    const all = await gangway(['onboardings', 'cancel', 'filtered', '--reason', 'r']);
    expect([all.code, all.err]).toEqual([1, expect.stringContaining('at least one condition')]);
    const started = await json(...resolve);
    expect(started).toMatchObject({ action: 'resolve_done', state: 'queued', total: 2, reason: 'seen' });
    const single = await json('onboardings', 'cancel', one, '--reason', 'r');
    const { items } = await json('operations', 'list');
    expect(items.map(({ id }) => id).slice(0, 2)).toEqual([single.id, started.id]);
    expect((await gangway(['operations', 'show', started.id])).out).toContain(`${one}  waiting`);
    expect(await json('operations', 'abort', started.id, '--reason', 'a mistake')).toMatchObject({
      state: 'aborted',
    });
    const again = await gangway(['operations', 'abort', started.id, '--reason', 'again']);
    expect([again.code, again.err]).toEqual([1, expect.stringContaining('has ended')]);
    const { rows } = await client.query<{ actor: string }>(
      'SELECT actor FROM audit_events WHERE target = $1 ORDER BY id',
      [started.id],
    );
    expect(rows.map(({ actor }) => actor)).toEqual([expect.stringMatching(/^cli:/), rows[0]!.actor]);
    await client.query('DELETE FROM operations');
    await client.end();
  }, 180_000);

  it('wait for an operation with --wait, and show which onboarding was refused and why', async () => {
    const client = new Client({ connectionString: databaseUrl });
    await client.connect();
    const id = await anOnboarding(client, { state: 'otp_sent' });
    const waiting = gangway(['onboardings', 'retry', id, '--reason', 'r', '--wait']);
    await until('the operation has an item', async () => {
      const { rowCount } = await client.query(
        `UPDATE operation_items SET outcome = 'refused', code = 'illegal_state' WHERE onboarding_id = $1`,
        [id],
      );
      return rowCount === 1;
    });
    await client.query(`UPDATE operations SET state = 'done', refused = 1, ended_at = now()`);
    const { code, out } = await waiting;
    expect([code, out]).toEqual([
      1,
      expect.stringMatching(new RegExp(`^${id}  refused  illegal_state`, 'm')),
    ]);
    await client.query('DELETE FROM operations');
    await client.end();
  }, 180_000);

  it('pause and resume an integration, and start a rebuild of the jobs of waiting steps', async () => {
    const client = new Client({ connectionString: databaseUrl });
    await client.connect();
    await client.query(`INSERT INTO otp_budgets (integration, subject_key) VALUES ('of-cli', 's')`);
    const paused = await json('integrations', 'pause', 'of-cli', '--reason', 'their maintenance');
    expect(paused).toMatchObject({ action: 'pause_integration', state: 'done' });
    const { out } = await gangway(['operations', 'show', paused.id]);
    expect(out).toMatch(/pause_integration .* of-cli +their maintenance\n/);
    const resumed = await json('integrations', 'resume', 'of-cli', '--reason', 'over');
    expect(resumed).toMatchObject({ action: 'resume_integration', state: 'queued' });
    const unknown = await gangway(['integrations', 'pause', 'nowhere', '--reason', 'r']);
    expect([unknown.code, unknown.err]).toEqual([1, expect.stringContaining('no such integration')]);
    const rebuilt = await json('operations', 'rebuild-wake-ups', '--reason', 'flushed');
    expect(rebuilt).toMatchObject({ action: 'rebuild_wake_ups', state: 'queued' });
    await client.query('DELETE FROM operations');
    await client.query(`DELETE FROM otp_budgets WHERE integration = 'of-cli'`);
    await client.end();
  }, 180_000);
});

describe('a command that fails', () => {
  it('exits with code 1 and shows no secret', async () => {
    const away = await gangway(['keys', 'list'], { DATABASE_URL: 'postgres://x:tiny-secret@127.0.0.1:1/x' });
    expect([away.code, away.err]).toEqual([
      1,
      expect.stringContaining('DATABASE_URL): The database is away.'),
    ]);
    expect(away.err).not.toContain('tiny-secret');
    const unknown = await gangway(['keys', 'revoke', '0'.repeat(20)]);
    expect([unknown.code, unknown.err]).toEqual([1, expect.stringContaining('There is no API key')]);
  }, 180_000);
});
