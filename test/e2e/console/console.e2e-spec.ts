import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PasswordHashes } from '#libs/operators';
import { ConsoleBrowser, setCookies, tokenOf } from '../../support/console-browser.js';
import { expectProblem, send } from '../../support/http-exchange.js';
import { makeOperator } from '../../support/operators.js';
import { ONE_SCRYPT, OPS_PASSWORD, Story } from '../../support/story.js';

const PASSWORD = 'seven wild geese';

let story: Story;
beforeAll(async () => {
  story = await Story.begin({
    env: { OPS_LOGIN_TRIES: '1000', TRUSTED_PROXIES: '127.0.0.1' },
    worker: false,
  });
  await makeOperator(story, { name: 'vera', role: 'viewer', password: PASSWORD });
});
afterAll(() => story.end());

/** Another replica, with other settings. */
async function replica(env: Record<string, string>): Promise<Pick<Story, 'serviceUrl'>> {
  const { url } = await story.startService(env);
  return { serviceUrl: url };
}

const home = (browser: ConsoleBrowser) => browser.visit('/ops');

describe('logging in', () => {
  it('opens the console, which shows the operator and the health', async () => {
    const browser = new ConsoleBrowser(story);
    expect((await home(browser)).status).toBe(401);
    await browser.logIn('vera', PASSWORD);
    const page = await home(browser);
    expect(page.status).toBe(200);
    expect(page.text).toContain('vera');
    expect(page.text).toContain('(viewer)');
    expect(page.text).toMatch(/redis[\s\S]*up/);
    for (const link of ['/ops/queues', '/docs']) expect(page.text).toContain(`href="${link}"`);
  });

  it('accepts a name in any case, and a password from any keyboard (NFKC)', async () => {
    await makeOperator(story, {
      name: 'Zoë@Example.com'.replace('ë', 'e'),
      role: 'viewer',
      password: 'caf\u00e9 au lait 12',
    });
    await new ConsoleBrowser(story).logIn(' ZOE@example.com', 'cafe\u0301 au lait 12');
  });

  it.each([
    ['a wrong password', 'vera', 'mistaken geese'],
    ['an unknown name', 'unknown', PASSWORD],
    ['an impossible name', '<b>"name"', PASSWORD],
    ['the environment’s name', 'ops', PASSWORD],
    ['a password of another account', 'vera', OPS_PASSWORD],
    ['no password', 'vera', ''],
  ])(
    'is refused with %s, with the same answer and one run of scrypt for every reason',
    async (_, name, password) => {
      const browser = new ConsoleBrowser(story);
      const hashes = story.service.get(PasswordHashes);
      const before = hashes.work;
      const refused = await browser.tryLogIn(name, password);
      expect(refused.status).toBe(401);
      expect(refused.text).toMatch(/role="alert">The name or the password is wrong\.</);
      expect(hashes.work - before).toBe(ONE_SCRYPT);
      expect(refused.text).not.toContain('<b>');
      if (password) expect(refused.text).not.toContain(password);
      expect(browser.session).toBeUndefined();
    },
  );

  it('costs one run of scrypt for each account, also if it succeeds', async () => {
    const hashes = story.service.get(PasswordHashes);
    for (const [name, password] of [
      ['vera', PASSWORD],
      ['ops', OPS_PASSWORD],
    ] as const) {
      const before = hashes.work;
      await new ConsoleBrowser(story).logIn(name, password);
      expect(hashes.work - before).toBe(ONE_SCRYPT);
    }
  });

  it('does not hash a password that is too long', async () => {
    const hashes = story.service.get(PasswordHashes);
    const before = hashes.work;
    expect((await new ConsoleBrowser(story).tryLogIn('vera', 'x'.repeat(129))).status).toBe(401);
    expect(hashes.work).toBe(before);
  });

  it('has no account in the environment without OPS_PASSWORD', async () => {
    const without = await replica({ OPS_PASSWORD: '' });
    expect((await new ConsoleBrowser(without).tryLogIn('ops', OPS_PASSWORD)).status).toBe(401);
    expect((await new ConsoleBrowser(without).tryLogIn('ops', 'undefined')).status).toBe(401);
    // A session that another replica opened for this account is also invalid.
    const browser = await new ConsoleBrowser(story).logIn();
    const there = new ConsoleBrowser(without);
    there.cookies.set(...browser.session!);
    expect((await home(there)).status).toBe(401);
  });

  it('leads to the requested page, but never to another site', async () => {
    const refused = await new ConsoleBrowser(story).visit('/ops/queues/queue/steps');
    expect(refused.text).toContain('name="next" value="/ops/queues/queue/steps"');
    const on = async (next: string) =>
      (await new ConsoleBrowser(story).tryLogIn('vera', PASSWORD, { next })).headers['location'];
    expect(await on('/ops/queues/queue/steps')).toBe('/ops/queues/queue/steps');
    expect(await on('//evil.example')).toBe('/ops');
  });
});

describe('the cookies', () => {
  it('are limited to this host over TLS, and hidden from scripts and other sites', async () => {
    const browser = new ConsoleBrowser(story, { overTls: true });
    const login = await browser.tryLogIn();
    const session = setCookies(login).find((line) => line.startsWith('__Host-gangway_ops=')) ?? '';
    expect(session.split('; ').slice(1).sort()).toEqual(['HttpOnly', 'Path=/', 'SameSite=Strict', 'Secure']);
    expect((await home(browser)).headers['strict-transport-security']).toMatch(/max-age=\d{8}/);
    // The plain name is not accepted over TLS: an attacker on the network could have set it.
    const other = new ConsoleBrowser(story, { overTls: true });
    other.cookies.set('gangway_ops', browser.session![1]);
    expect((await home(other)).status).toBe(401);
  });

  it('have a plain name without TLS', async () => {
    const login = await new ConsoleBrowser(story).tryLogIn();
    const session = setCookies(login).find((line) => line.startsWith('gangway_ops=')) ?? '';
    expect(session.split('; ').slice(1).sort()).toEqual(['HttpOnly', 'Path=/', 'SameSite=Strict']);
    expect(login.headers['strict-transport-security']).toBeUndefined();
  });

  it('have a plain name if the proxy that ends TLS is not trusted', async () => {
    const direct = new ConsoleBrowser(await replica({ TRUSTED_PROXIES: '10.0.0.0/8' }));
    const page = await direct.visit('/ops/login', { 'x-forwarded-proto': 'https' });
    expect(setCookies(page).join()).not.toMatch(/__Host-|Secure/);
    expect(page.headers['strict-transport-security']).toBeUndefined();
  });
});

describe('forms', () => {
  it('are accepted only with their token', async () => {
    const browser = new ConsoleBrowser(story);
    const fields = { name: 'vera', password: PASSWORD };
    const others = tokenOf(await new ConsoleBrowser(story).visit('/ops/login'));
    await browser.visit('/ops/login');
    for (const token of ['', 'A'.repeat(43), others]) {
      const refused = await browser.post('/ops/login', { ...fields, token });
      expect(refused.status).toBe(403);
      expect(browser.session).toBeUndefined();
      expect(refused.text).toContain('role="alert"');
    }
    const good = tokenOf(await browser.visit('/ops/login'));
    expect((await browser.post('/ops/login', { ...fields, token: good })).status).toBe(303);
  });

  it('are accepted only with their own fields and below a size limit', async () => {
    const browser = new ConsoleBrowser(story);
    const token = tokenOf(await browser.visit('/ops/login'));
    const fields = { name: 'vera', password: PASSWORD, token };
    expect((await browser.post('/ops/login', { ...fields, role: 'admin' })).status).toBe(400);
    expect((await browser.post('/ops/login', { name: 'vera', token })).status).toBe(400);
    expect((await browser.post('/ops/login', { ...fields, password: 'x'.repeat(5_000) })).status).toBe(413);
    const json = { 'content-type': 'application/json' };
    expect((await browser.fetch('POST', '/ops/login', json, JSON.stringify(fields))).status).toBe(415);
  });

  it('are not accepted by the API', async () => {
    const form = {
      authorization: 'Bearer key-of-the-tests-0123456789',
      'content-type': 'application/x-www-form-urlencoded',
    };
    const reply = await send(story, 'POST', '/v1/onboardings', { headers: form, body: 'subject=1' });
    expectProblem(reply, 415, 'unsupported_media_type');
  });
});
