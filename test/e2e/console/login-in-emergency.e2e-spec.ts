import { afterEach, describe, expect, it } from '@jest/globals';
import type { INestApplicationContext } from '@nestjs/common';
import { Queues } from '#libs/jobs';
import { until } from '#libs/testing';
import { ConsoleBrowser, tokenOf } from '../../support/console-browser.js';
import { byPassword, whoIs } from '../../support/console-logins.js';
import { OPS_PASSWORD, Story } from '../../support/story.js';

const WRONG = 'a password of the wrong kind';

let story: Story;
afterEach(() => story.end());

const begin = async (env: Record<string, string> = {}, more: object = {}) => {
  story = await Story.begin({ service: false, worker: false, console: true, env, ...more });
  await counts(story.console);
  return new ConsoleBrowser(story);
};

/** Until Redis is ready, the console counts failed logins in its own memory. */
const counts = (console: INestApplicationContext) =>
  until('Redis counts', () => console.get(Queues).isReady());

const statusOf = async (password: string, via = '', target: Pick<Story, 'consoleUrl'> = story) =>
  (await byPassword(new ConsoleBrowser(target, { via }), { password })).status;

describe('the emergency login', () => {
  it('opens the console as admin under the typed name, and a metric counts it', async () => {
    const browser = await begin();
    expect((await byPassword(browser, { password: WRONG })).status).toBe(401);
    const done = await byPassword(browser, { name: ' Vera\u202e V. ', next: '/sessions' });
    expect([done.status, done.headers['location']]).toEqual([303, '/sessions']);
    expect(await whoIs(browser)).toBe('emergency:Vera V. admin');
    const metrics = (await browser.visit('/metrics')).text;
    expect(metrics).toContain('gangway_console_emergency_logins_total{outcome="done"} 1');
    expect(metrics).toContain('gangway_console_emergency_logins_total{outcome="refused"} 1');
  });

  it('accepts the password from any keyboard (NFKC)', async () => {
    const browser = await begin({ OPS_PASSWORD: 'cafe\u0301 au lait for all' });
    expect((await byPassword(browser, { password: 'caf\u00e9 au lait for all' })).status).toBe(303);
  });

  it.each([
    ['a wrong password', 'vera', WRONG, 401, /The password is wrong/],
    ['no password', 'vera', '', 401, /The password is wrong/],
    ['no name', ' \u200b ', OPS_PASSWORD, 400, /Type your own name/],
  ])(
    'is refused with %s, and its page repeats nothing that was typed',
    async (_, name, password, status, why) => {
      const browser = await begin();
      const refused = await byPassword(browser, { name, password });
      expect(refused.status).toBe(status);
      expect(refused.text).toMatch(why);
      expect(refused.text).not.toContain(password || 'value="vera"');
      expect(browser.session).toBeUndefined();
    },
  );

  it('does not exist without OPS_PASSWORD; the page then says how to log in', async () => {
    const browser = await begin({ OPS_PASSWORD: '' });
    const page = await browser.visit('/login');
    expect(page.text).not.toContain('type="password"');
    expect(page.text).toContain('gangway console link');
    const link = tokenOf(await browser.visit('/login/link'));
    for (const password of ['', 'undefined', OPS_PASSWORD]) {
      const fields = { name: 'vera', password, token: link };
      expect((await browser.post('/login/emergency', fields)).status).toBe(401);
    }
  });

  it('loses its sessions when OPS_PASSWORD is changed or removed', async () => {
    const browser = await begin();
    await byPassword(browser);
    for (const OPS_PASSWORD of ['another emergency password', '']) {
      const changed = new ConsoleBrowser({ consoleUrl: (await story.startConsole({ OPS_PASSWORD })).url });
      changed.cookies.set(...browser.session!);
      expect(await whoIs(changed)).toBeNull();
    }
    expect(await whoIs(browser)).toBe('emergency:vera admin');
  });

  it('takes forms only from its own page', async () => {
    const browser = await begin();
    const fields = { name: 'vera', password: OPS_PASSWORD };
    const others = tokenOf(await new ConsoleBrowser(story).visit('/login'));
    await browser.visit('/login');
    for (const token of ['', 'A'.repeat(43), others]) {
      expect((await browser.post('/login/emergency', { ...fields, token })).status).toBe(403);
    }
    const token = tokenOf(await browser.visit('/login'));
    for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'same-site' }]) {
      expect((await browser.post('/login/emergency', { ...fields, token }, headers)).status).toBe(403);
    }
    expect((await browser.post('/login/emergency', { ...fields, token, role: 'admin' })).status).toBe(400);
    expect(browser.session).toBeUndefined();
  });
});

describe('failed emergency logins', () => {
  const FEW = { OPS_LOGIN_TRIES: '2', OPS_LOGIN_WINDOW_MS: '60000', TRUSTED_PROXIES: '127.0.0.1' };

  it('are counted per network, over all replicas, even if they come at the same time', async () => {
    await begin(FEW);
    const { app, url } = await story.startConsole();
    await counts(app);
    const other = { consoleUrl: url };
    // A console's first login loads code, which delays Redis, and the console would count in memory.
    for (const target of [story, other]) expect(await statusOf(OPS_PASSWORD, '192.0.2.3', target)).toBe(303);
    const tries = [story, other, story, other].map((target) => statusOf(WRONG, '192.0.2.1', target));
    expect((await Promise.all(tries)).sort()).toEqual([401, 401, 429, 429]);
    const limited = await byPassword(new ConsoleBrowser(story, { via: '192.0.2.1' }));
    expect([limited.status, limited.text]).toEqual([429, expect.stringContaining('Too many failed logins')]);
    expect(Number(limited.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    // Another network can still log in, and successful logins do not count.
    for (let n = 0; n < 4; n += 1) expect(await statusOf(OPS_PASSWORD, '192.0.2.2')).toBe(303);
  });

  it('are also counted for all networks together', async () => {
    await begin(FEW);
    const statuses: number[] = [];
    for (let n = 1; n <= 21; n += 1) statuses.push(await statusOf(WRONG, `198.51.100.${n}`));
    expect(statuses).toEqual([...Array.from({ length: 20 }, () => 401), 429]);
  });

  it('lock out operators only until OPS_LOGIN_WINDOW_MS has passed', async () => {
    await begin({ OPS_LOGIN_TRIES: '1', OPS_LOGIN_WINDOW_MS: '1500' });
    await until('a try too many', async () => (await statusOf(WRONG)) === 429);
    await until('the window is over', async () => (await statusOf(OPS_PASSWORD)) === 303);
  });

  it.each(['hangs', 'is down'])('are counted in memory while Redis %s', async (how) => {
    await begin(FEW, { proxied: ['REDIS_URL'] });
    const redis = await story.proxyTo('REDIS_URL');
    if (how === 'hangs') redis.stall();
    else redis.refuse();
    const statuses = [];
    for (let n = 0; n < 4; n += 1) statuses.push(await statusOf(WRONG));
    expect(statuses).toEqual([401, 401, 429, 429]);
    await redis.mend();
  });

  it('are audited without the password and without the typed name', async () => {
    await begin();
    const process = await story.startProcess('console');
    const target = { consoleUrl: process.url };
    const typed = 'My-Password-Typed-As-A-Name';
    await byPassword(new ConsoleBrowser(target), { name: typed, password: WRONG });
    const browser = new ConsoleBrowser(target);
    await byPassword(browser);
    const lines = await until('two entries', () => {
      const found = process.said.split('\n').filter((line) => line.includes('"audit"'));
      return found.length >= 2 && found.map((line) => JSON.parse(line) as { audit: object });
    });
    const entry = { action: 'login: emergency', target: null, address: '127.0.0.1' };
    expect(lines.map(({ audit }) => audit)).toMatchObject([
      { ...entry, operator: null, outcome: 'refused' },
      { ...entry, operator: 'emergency:vera', outcome: 'done', data: { role: 'admin' } },
    ]);
    for (const secret of [typed, WRONG, OPS_PASSWORD, browser.session![1]]) {
      expect(process.said).not.toContain(secret);
    }
  });
});
