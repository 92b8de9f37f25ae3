import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { OperatorAccounts } from '#libs/operators';
import { until } from '#libs/testing';
import { ConsoleBrowser, tokenOf } from '../../support/console-browser.js';
import { makeOperator } from '../../support/operators.js';
import { Story } from '../../support/story.js';

const PASSWORD = 'seven wild geese';
const OTHER = 'eight wild geese';

let story: Story;
let accounts: OperatorAccounts;
beforeAll(async () => {
  story = await Story.begin({
    env: { OPS_LOGIN_TRIES: '1000' },
    worker: false,
  });
  accounts = story.service.get(OperatorAccounts);
  await makeOperator(story, { name: 'vera', role: 'viewer', password: PASSWORD });
});
afterAll(() => story.end());

/** Another replica, with other settings. */
async function replica(env: Record<string, string>): Promise<Pick<Story, 'serviceUrl'>> {
  const { url } = await story.startService(env);
  return { serviceUrl: url };
}

const home = (browser: ConsoleBrowser) => browser.visit('/ops');

describe('a session', () => {
  it('gets a new token with each login, for any cookie that the browser sends', async () => {
    const browser = new ConsoleBrowser(story);
    const planted = 'A'.repeat(43);
    browser.cookies.set('gangway_ops', planted);
    await browser.logIn('vera', PASSWORD);
    const [, first] = browser.session!;
    expect(first).not.toBe(planted);
    expect(Buffer.from(first, 'base64url')).toHaveLength(32);

    const form = new ConsoleBrowser(story);
    const formToken = tokenOf(await form.visit('/ops/login'));
    form.cookies.set('gangway_ops', first);
    await form.post('/ops/login', { name: 'vera', password: PASSWORD, token: formToken });
    expect(form.session![1]).not.toBe(first);
    // The previous session has ended.
    expect((await home(browser)).status).toBe(401);
  });

  it('is stored only as a hash', async () => {
    const [, token] = (await new ConsoleBrowser(story).logIn()).session!;
    const rows = await story.sql<{ row: string }>('SELECT s::text AS row FROM operator_sessions s');
    expect(rows.length).toBeGreaterThan(0);
    const text = JSON.stringify(rows);
    expect(text).not.toContain(token);
    expect(text).not.toContain(Buffer.from(token, 'base64url').toString('hex'));
  });

  it('ends on the server at logout', async () => {
    const browser = await new ConsoleBrowser(story).logIn('vera', PASSWORD);
    const thief = new ConsoleBrowser(story);
    thief.cookies.set(...browser.session!);
    const token = tokenOf(await home(browser));

    expect((await browser.post('/ops/logout', { token: 'A'.repeat(43) })).status).toBe(403);
    expect((await home(browser)).status).toBe(200);
    const out = await browser.post('/ops/logout', { token });
    expect([out.status, out.headers['location']]).toEqual([303, '/ops/login']);
    expect(browser.session).toBeUndefined();
    expect((await home(thief)).status).toBe(401);
  });

  it.each([
    ['another password', 'eve1', (name: string) => accounts.setPassword(name, OTHER), OTHER, 303],
    ['another role', 'eve2', (name: string) => accounts.setRole(name, 'operator'), PASSWORD, 303],
    ['being disabled', 'eve3', (name: string) => accounts.disable(name), PASSWORD, 401],
  ])('ends when its account changes: %s', async (_, name, change, password, then) => {
    await makeOperator(story, { name, role: 'admin', password: PASSWORD });
    const browser = await new ConsoleBrowser(story).logIn(name, PASSWORD);
    await change(name);
    expect((await home(browser)).status).toBe(401);
    expect((await new ConsoleBrowser(story).tryLogIn(name, password)).status).toBe(then);
  });

  it('of the account of the environment ends when OPS_PASSWORD changes', async () => {
    const browser = await new ConsoleBrowser(story).logIn();
    const changed = new ConsoleBrowser(await replica({ OPS_PASSWORD: 'another password' }));
    changed.cookies.set(...browser.session!);
    expect((await home(changed)).status).toBe(401);
    expect((await home(browser)).status).toBe(200);
  });

  it('ends after its maximum life, even if it is used', async () => {
    const browser = new ConsoleBrowser(
      await replica({ OPS_SESSION_LIFE_MS: '2500', OPS_SESSION_IDLE_MS: '2500' }),
    );
    await browser.logIn('vera', PASSWORD);
    await until('the session is over', async () => (await home(browser)).status === 401);
  });

  it('ends when it is idle, although the board’s page repeats requests by itself', async () => {
    const browser = new ConsoleBrowser(await replica({ OPS_SESSION_IDLE_MS: '2500' }));
    await browser.logIn('vera', PASSWORD);
    const asked = async () => (await browser.fetch('GET', '/ops/queues/api/queues')).status;
    expect(await asked()).toBe(200);
    await until('the board is refused', async () => (await asked()) === 401);
    expect((await home(browser)).status).toBe(401);
  });

  it('does not end while it is used', async () => {
    const browser = new ConsoleBrowser(await replica({ OPS_SESSION_IDLE_MS: '2500' }));
    await browser.logIn('vera', PASSWORD);
    const since = performance.now();
    await until('twice its idle life has passed', async () => {
      expect((await home(browser)).status).toBe(200);
      return performance.now() - since > 5_000;
    });
  });
});
