import { afterEach, describe, expect, it } from '@jest/globals';
import { PasswordHashes } from '#libs/operators';
import { until } from '#libs/testing';
import { ConsoleBrowser } from '../../support/console-browser.js';
import { makeOperator } from '../../support/operators.js';
import { OPS_PASSWORD, Story } from '../../support/story.js';

const PASSWORD = 'seven wild geese';
const WRONG = 'geese of the wrong kind';

let story: Story;
afterEach(() => story.end());

const statusesOf = async (tries: number, name = 'ops', target: Pick<Story, 'serviceUrl'> = story) => {
  const statuses: number[] = [];
  for (let n = 0; n < tries; n++) {
    statuses.push((await new ConsoleBrowser(target).tryLogIn(name, WRONG)).status);
  }
  return statuses;
};

describe('failed logins', () => {
  it('are counted per account, over all replicas, even if they come at the same time', async () => {
    story = await Story.begin({
      worker: false,
      env: { OPS_LOGIN_TRIES: '2', OPS_LOGIN_WINDOW_MS: '60000' },
    });
    const name = 'ops';
    const { url } = await story.startService();
    const browsers = [story, { serviceUrl: url }, story, { serviceUrl: url }].map(
      (at) => new ConsoleBrowser(at),
    );
    const replies = await Promise.all(browsers.map((browser) => browser.tryLogIn(name, WRONG)));
    expect(replies.map(({ status }) => status).sort()).toEqual([401, 401, 429, 429]);
    const limited = replies.find(({ status }) => status === 429)!;
    expect(Number(limited.headers['retry-after'])).toBeGreaterThanOrEqual(1);
    expect(Number(limited.headers['retry-after'])).toBeLessThanOrEqual(60);
    expect(limited.text).toMatch(/role="alert">Too many tries/);

    // The right password is refused without a hash. Another account is not affected.
    const hashes = story.service.get(PasswordHashes);
    const before = hashes.work;
    expect((await new ConsoleBrowser(story).tryLogIn(name, OPS_PASSWORD)).status).toBe(429);
    expect(hashes.work).toBe(before);
    await makeOperator(story, { name: 'vera', role: 'viewer', password: PASSWORD });
    await new ConsoleBrowser(story).logIn('vera', PASSWORD);
  });

  it('lock an account for no longer than the window', async () => {
    story = await Story.begin({
      worker: false,
      env: { OPS_LOGIN_TRIES: '1', OPS_LOGIN_WINDOW_MS: '1500' },
    });
    const name = 'ops';
    // Both tries run at the same time: a hash may take longer than the window, and a try counts before its
    // hash.
    const tooMany = async () =>
      (await Promise.all([statusesOf(1, name), statusesOf(1, name)])).flat().includes(429);
    await until('a try too many', tooMany);
    const right = () => new ConsoleBrowser(story).tryLogIn(name, OPS_PASSWORD);
    await until('the window is over', async () => (await right()).status === 303);
  });

  it('are counted per address over all accounts, without the successful ones', async () => {
    story = await Story.begin({
      worker: false,
      env: { OPS_LOGIN_TRIES: '1', OPS_LOGIN_WINDOW_MS: '60000', TRUSTED_PROXIES: '127.0.0.1' },
    });
    const from = async (address: string, name: string, password = WRONG) => {
      const browser = new ConsoleBrowser(story, { via: address });
      return (await browser.tryLogIn(name, password)).status;
    };
    const net = `2001:db8:${(Date.now() % 65_536).toString(16)}:1`;
    for (const n of [1, 2, 3, 4]) expect(await from(`${net}::${n}`, 'ops', OPS_PASSWORD)).toBe(303);
    const random = Math.random().toString(36).slice(2);
    for (const n of [1, 2, 3]) expect(await from(`${net}::${n}`, `a${random}${n}`)).toBe(401);
    expect(await from(`${net}:ffff::9`, `a${random}4`)).toBe(429);
    // Gateways also write the port, which differs for each connection.
    for (const n of [1, 2, 3]) expect(await from(`198.51.100.7:${50_000 + n}`, `b${random}${n}`)).toBe(401);
    expect(await from('198.51.100.7:50004', `b${random}4`)).toBe(429);
    // A try that is refused because of its address does not count for its account.
    expect(await from(net.replace(/1$/, '2::9'), `a${random}4`)).toBe(401);
  });

  it.each(['hangs', 'is down'])('are counted in memory while Redis %s, and delay no login', async (how) => {
    story = await Story.begin({
      worker: false,
      proxied: ['REDIS_URL'],
      env: { OPS_LOGIN_TRIES: '2', OPS_LOGIN_WINDOW_MS: '60000' },
    });
    const redis = await story.proxyTo('REDIS_URL');
    const warm = `w${Math.random().toString(36).slice(2)}`;
    await statusesOf(1, warm);
    if (how === 'hangs') redis.stall();
    else redis.refuse();
    const name = `x${warm}`;
    expect(await statusesOf(4, name)).toEqual([401, 401, 429, 429]);
    await redis.mend();
  });

  it('are audited, without the password, and without an unknown name', async () => {
    story = await Story.begin({ worker: false });
    const service = await story.startProcess('onboarding');
    const target = { serviceUrl: service.url };
    const typed = 'My-Password-Typed-As-A-Name';
    await new ConsoleBrowser(target).tryLogIn(typed, WRONG);
    await new ConsoleBrowser(target).tryLogIn('ops', WRONG);
    const browser = await new ConsoleBrowser(target).logIn();
    const lines = await until('three entries', () => {
      const found = service.said.split('\n').filter((line) => line.includes('"audit"'));
      return found.length >= 3 && found.map((line) => JSON.parse(line) as { audit: object });
    });
    const entry = { action: 'login', target: null, address: '127.0.0.1', traceId: expect.any(String) };
    expect(lines.map(({ audit }) => audit)).toEqual([
      { ...entry, operator: null, outcome: 'refused' },
      { ...entry, operator: 'ops', outcome: 'refused' },
      { ...entry, operator: 'ops', outcome: 'done' },
    ]);
    for (const secret of [typed, typed.toLowerCase(), WRONG, OPS_PASSWORD, browser.session![1]]) {
      expect(service.said).not.toContain(secret);
    }
  });
});
