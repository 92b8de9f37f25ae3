import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { OperatorAccounts, OperatorAudit, type AuditEntry } from '#libs/operators';
import { ConsoleBrowser, tokenOf } from '../../support/console-browser.js';
import { expectProblem, type Reply } from '../../support/http-exchange.js';
import { makeOperator } from '../../support/operators.js';
import { OPS_PASSWORD, Story } from '../../support/story.js';

const PASSWORD = 'seven wild geese';
const OTHER = 'eight wild geese';
const TRIES = 4;

let story: Story;
const audited: AuditEntry[] = [];
beforeAll(async () => {
  story = await Story.begin({
    env: { OPS_LOGIN_TRIES: String(TRIES), TRUSTED_PROXIES: '127.0.0.1' },
    worker: false,
  });
  await makeOperator(story, { name: 'template', role: 'viewer', password: PASSWORD });
  const audit = story.service.get(OperatorAudit);
  const record = audit.record.bind(audit);
  audit.record = (entry) => {
    audited.push(entry);
    record(entry);
  };
});
afterAll(() => story.end());

let made = 0;
/** Each browser has its own address, because failed tries also count per address. */
const browse = () => new ConsoleBrowser(story, { via: `198.51.100.${++made}` });
const someone = async (name: string) => {
  // Reuses the template's hash, because a new hash would need another run of scrypt.
  await story.sql(
    `INSERT INTO operators (id, name, role, password_hash, must_change)
     SELECT gen_random_uuid(), $1, role, password_hash, false FROM operators WHERE name = 'template'`,
    [name],
  );
  return name;
};
const logIn = (name?: string, password = PASSWORD) => browse().logIn(name, password);
const account = (browser: ConsoleBrowser) => browser.visit('/ops/account');
const isIn = async (browser: ConsoleBrowser) => (await browser.visit('/ops')).status === 200;

type Fields = Record<string, string>;

async function change(browser: ConsoleBrowser, fields: Fields = {}): Promise<Reply> {
  const token = tokenOf(await account(browser));
  const form = { current: PASSWORD, wanted: OTHER, again: fields['wanted'] ?? OTHER, token };
  return browser.post('/ops/account/password', { ...form, ...fields });
}

async function end(browser: ConsoleBrowser, session: string, fields: Fields = {}): Promise<Reply> {
  const token = tokenOf(await account(browser));
  return browser.post('/ops/account/sessions', { password: PASSWORD, session, token, ...fields });
}

/** The sessions that a page has a button for. */
const endableOn = ({ text }: Reply) => [...text.matchAll(/value="([0-9a-f]{64})"/g)].map(([, id = '']) => id);

describe('an operator’s password', () => {
  it('can be changed with the current password, which renews this session and ends all others', async () => {
    const name = await someone('ada');
    const [here, there] = [await logIn(name), await logIn(name)];
    const thief = browse();
    thief.cookies.set(...here.session!);
    audited.splice(0);

    const done = await change(here);
    expect([done.status, done.headers['location']]).toEqual([303, '/ops/account?done=password']);
    expect((await here.visit('/ops/account?done=password')).text).toContain('role="status">Your password is');
    expect(await isIn(here)).toBe(true);
    expect(await isIn(there)).toBe(false);
    expect(await isIn(thief)).toBe(false);
    expect((await browse().tryLogIn(name, PASSWORD)).status).toBe(401);
    await logIn(name, OTHER);

    expect(audited[0]).toMatchObject({ operator: name, action: 'password', outcome: 'done' });
    expect(JSON.stringify(audited)).not.toMatch(/geese/);
    const [row] = await story.sql<{ n: string }>(
      `SELECT count(*) AS n FROM audit_events WHERE actor = $1 AND action = 'console: password'`,
      [`operator:${name}`],
    );
    expect(Number(row!.n)).toBe(1);
  });

  it('is not changed without the current password, and failed tries count as failed logins', async () => {
    const name = await someone('bea');
    const [here, there] = [await logIn(name), await logIn(name)];
    audited.splice(0);
    for (let n = 0; n < TRIES; n++) {
      const refused = await change(here, { current: 'some other geese' });
      expect([refused.status, /role="alert">The current/.test(refused.text)]).toEqual([403, true]);
      expect(refused.text).not.toContain('some other geese');
    }
    expect(audited).toMatchObject(
      Array.from({ length: TRIES }, () => ({ operator: name, action: 'password', outcome: 'refused' })),
    );
    const limited = await change(here);
    expect([limited.status, Number(limited.headers['retry-after']) > 0]).toEqual([429, true]);
    // These tries also count for logins.
    expect((await browse().tryLogIn(name, PASSWORD)).status).toBe(429);
    expect([await isIn(here), await isIn(there)]).toEqual([true, true]);
  });

  it('cannot be set to the current password, a mistyped one, or one that breaks the rules', async () => {
    const here = await logIn(await someone('cia'));
    const cases: [Fields, string][] = [
      [{ wanted: 'short' }, 'shorter than 12'],
      [{ wanted: 'Gangway-2026!' }, 'little more than the name'],
      [{ wanted: PASSWORD }, 'is the same as the current one'],
      [{ again: 'nine wild geese' }, 'The two new passwords differ'],
    ];
    for (const [fields, why] of cases) {
      const refused = await change(here, fields);
      expect([why, refused.status, refused.text.includes(why)]).toEqual([why, 400, true]);
    }
    await logIn('cia');
  });

  it('can have the maximum length', async () => {
    const [name, long] = [await someone('dan'), '🦆🐎🐄🐖🐐🐑🐓🦃'.repeat(16)];
    const here = await logIn(name);
    expect((await change(here, { wanted: long })).status).toBe(303);
    expect((await change(here, { current: long, wanted: `${long.slice(2)}🐇` })).status).toBe(303);
  });

  it('cannot be changed for the account of the environment, which has no form', async () => {
    const ops = await logIn('ops', OPS_PASSWORD);
    const page = await account(ops);
    expect(page.text).toContain('OPS_PASSWORD');
    expect(page.text).not.toContain('action="/ops/account/password"');
    const token = tokenOf(page);
    const form = { current: OPS_PASSWORD, wanted: OTHER, again: OTHER, token };
    expect((await ops.post('/ops/account/password', form)).status).toBe(403);
  });
});

describe('an operator’s sessions', () => {
  it('are listed with their addresses, without expired sessions and those of other operators', async () => {
    const name = await someone('eli');
    await logIn(await someone('fay'));
    const [here, over] = [await logIn(name), await logIn(name)];
    await logIn(name);
    await story.sql(`UPDATE operator_sessions SET expires_at = clock_timestamp() WHERE address = $1`, [
      over.address,
    ]);
    const { text } = await account(here);
    expect(text.match(/<strong>198\.51\.100\.\d+<\/strong>/g)).toHaveLength(2);
    expect(text).toMatch(new RegExp(`<strong>${here.address}</strong>\\s*<span class="up">this session`));
    expect(text.match(/<time datetime="20[^"]+Z">/g)).toHaveLength(4);
    expect(endableOn({ text } as Reply)).toHaveLength(1);
  });

  it('can be ended one by one, or all except the current session, with the password', async () => {
    const name = await someone('gil');
    const [here, one, another] = [await logIn(name), await logIn(name), await logIn(name)];
    // The session that was used last comes first.
    await story.sql(
      `UPDATE operator_sessions SET last_seen_at = clock_timestamp() + interval '1s' WHERE address = $1`,
      [one.address],
    );
    const [id = ''] = endableOn(await account(here));
    expect((await end(here, id, { password: OTHER })).status).toBe(403);
    expect(await isIn(one)).toBe(true);
    expect((await end(here, id)).status).toBe(303);
    expect([await isIn(here), await isIn(one), await isIn(another)]).toEqual([true, false, true]);
    expect((await end(here, 'others')).status).toBe(303);
    expect([await isIn(here), await isIn(another)]).toEqual([true, false]);
  });

  it('cannot be ended by another operator', async () => {
    const [mine, other] = [await logIn(await someone('hal')), await logIn(await someone('ida'))];
    const second = await logIn('ida');
    const [id = ''] = endableOn(await account(second));
    expect((await end(mine, id)).status).toBe(303);
    expect((await end(mine, 'others')).status).toBe(303);
    expect([await isIn(other), await isIn(second)]).toEqual([true, true]);
  });

  it('are also listed and ended for the account of the environment', async () => {
    const [here, there] = [await logIn('ops', OPS_PASSWORD), await logIn('ops', OPS_PASSWORD)];
    expect((await end(here, 'others', { password: PASSWORD })).status).toBe(403);
    expect(await isIn(there)).toBe(true);
    expect((await end(here, 'others', { password: OPS_PASSWORD })).status).toBe(303);
    expect([await isIn(here), await isIn(there)]).toEqual([true, false]);
  });
});

describe('the account’s forms', () => {
  it('are accepted only with their token, from our own pages, and with a login', async () => {
    const here = await logIn(await someone('jon'));
    const forms = [
      ['/ops/account/password', { current: PASSWORD, wanted: OTHER, again: OTHER }],
      ['/ops/account/sessions', { password: PASSWORD, session: 'others' }],
      ['/ops/logout', {}],
    ] as const;
    const others = tokenOf(await account(await logIn('jon')));
    const token = tokenOf(await account(here));
    for (const [path, fields] of forms) {
      for (const wrong of ['', 'A'.repeat(43), others]) {
        expect((await here.post(path, { ...fields, token: wrong })).status).toBe(403);
      }
      const elsewhere = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
      expect((await here.post(path, { ...fields, token }, elsewhere)).status).toBe(403);
      expect((await here.post(path, { ...fields, token, role: 'admin' })).status).toBe(400);
      expect((await browse().post(path, { ...fields, token })).status).toBe(401);
    }
    expect((await browse().visit('/ops/account')).status).toBe(401);
    expect(await isIn(here)).toBe(true);
    await logIn('jon');
  });

  it('are on pages without inline script or style', async () => {
    const here = await logIn(await someone('kim'));
    for (const path of ['/ops/account', '/ops/logout']) {
      const { text, headers } = await here.visit(path);
      expect(text).not.toMatch(/<script|<style|style=|\son\w+=/);
      expect(headers['content-security-policy']).not.toMatch(/script-src|unsafe/);
      expect(headers['cache-control']).toContain('no-store');
    }
  });
});

describe('a first password', () => {
  const first = async (name: string) => {
    await story.service.get(OperatorAccounts).create({ name, role: 'admin', password: PASSWORD });
    return name;
  };
  const firstLogIn = async (name: string) => {
    const browser = browse();
    const reply = await browser.tryLogIn(name, PASSWORD, { next: '/ops/queues' });
    expect([reply.status, reply.headers['location']]).toEqual([303, '/ops/account']);
    return browser;
  };

  it('permits only to choose a new password and to log out', async () => {
    const browser = await firstLogIn(await first('lea'));
    for (const path of ['/ops', '/ops/', '/ops/queues', '/ops/queues/api/queues', '/ops/nothing']) {
      const page = await browser.visit(path);
      expect([path, page.status]).toEqual([path, 403]);
      expect(page.text).toContain('href="/ops/account"');
      expectProblem(await browser.fetch('GET', path), 403, 'forbidden');
    }
    const pause = await browser.fetch('PUT', '/ops/queues/api/queues/steps/pause');
    expectProblem(pause, 403, 'forbidden');
    expect((await browser.visit('/ops/logout')).status).toBe(200);

    expect((await change(browser, { wanted: PASSWORD })).status).toBe(400);
    expect(await isIn(browser)).toBe(false);
    expect((await change(browser)).status).toBe(303);
    expect(await isIn(browser)).toBe(true);
    expect((await browser.visit('/ops/queues')).status).toBe(200);
    expect((await browse().tryLogIn('lea', OTHER)).headers['location']).toBe('/ops');
  });

  it('is any password that an administrator sets', async () => {
    const name = await someone('max');
    await story.service.get(OperatorAccounts).setPassword(name, PASSWORD);
    const browser = await firstLogIn(name);
    expect(await isIn(browser)).toBe(false);
    const token = tokenOf(await browser.visit('/ops/logout'));
    expect((await browser.post('/ops/logout', { token })).status).toBe(303);
    expect(browser.session).toBeUndefined();
  });

  it('expires after seven days, but a password that the operator chose never expires', async () => {
    const [name, settled] = [await first('ned'), await someone('ora')];
    const age = (days: number) =>
      story.sql(
        `UPDATE operators SET password_set_at = clock_timestamp() - make_interval(days => $1, hours => 1)
         WHERE name IN ('ned', 'ora')`,
        [days],
      );
    await age(6);
    await firstLogIn(name);
    await age(7);
    expect((await browse().tryLogIn(name, PASSWORD)).status).toBe(401);
    await logIn(settled);
  });
});

describe('the logout', () => {
  it('is on each page of the console, and one link away from the queue board', async () => {
    const here = await logIn(await someone('pia'));
    const home = await here.visit('/ops');
    expect(home.text).toContain('href="/ops/account"');
    for (const path of ['/ops', '/ops/account']) {
      expect((await here.visit(path)).text).toContain('action="/ops/logout"');
    }
    expect((await here.visit('/ops/nothing')).text).toContain('href="/ops/logout"');
    expect((await here.visit('/ops/queues')).text).toMatch(/"url":\s*"\/ops\/logout"/);
    const page = await here.visit('/ops/logout');
    expect(page.status).toBe(200);
    expect(await isIn(here)).toBe(true);
    const out = await here.post('/ops/logout', { token: tokenOf(page) });
    expect([out.status, out.headers['location'], here.session]).toEqual([303, '/ops/login', undefined]);
  });
});
