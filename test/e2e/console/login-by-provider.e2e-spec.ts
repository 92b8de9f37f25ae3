import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { KeyedHash } from '#libs/platform';
import { until } from '#libs/testing';
import { ConsoleBrowser, setCookies } from '../../support/console-browser.js';
import { beginAt, byPassword, byProvider, callBack, whoIs } from '../../support/console-logins.js';
import { IdentityProvider } from '../../support/identity-provider.js';
import { Story } from '../../support/story.js';

const CONSOLE = 'http://console.example';

let provider: IdentityProvider;
let story: Story;
let browser: ConsoleBrowser;
beforeAll(async () => {
  provider = await IdentityProvider.start(CONSOLE);
  const env = { OPS_LOGIN_TRIES: '1000', ...provider.consoleEnv };
  story = await Story.begin({ service: false, worker: false, console: true, env });
});
beforeEach(() => {
  browser = new ConsoleBrowser(story);
});
afterAll(async () => {
  await story.end();
  await provider.stop();
});

async function expectRefused(reply: { status: number; text: string }, status: number, why: RegExp) {
  expect(reply.status).toBe(status);
  expect(/role="alert"[^>]*>([^<]*)</.exec(reply.text)?.[1]).toMatch(why);
  expect(browser.session).toBeUndefined();
  expect(await whoIs(browser)).toBeNull();
}

describe('a login at the identity provider', () => {
  it.each([
    ['vera', 'viewer'],
    ['omar', 'operator'],
    ['ada', 'admin'],
  ] as const)('gives %s the highest role of their groups: %s', async (name, role) => {
    const page = await browser.visit('/login');
    expect(page.text).toContain(`Log in with ${new URL(provider.issuer).host}`);
    const done = await byProvider(browser, provider, name);
    expect([done.status, done.headers['location']]).toEqual([303, '/']);
    expect(await whoIs(browser)).toBe(`${name} ${role}`);
  });

  it('sends PKCE, state and nonce, which are new each time and differ from the cookie', async () => {
    const urls = [await beginAt(browser), await beginAt(new ConsoleBrowser(story))];
    for (const name of ['state', 'nonce', 'code_challenge']) {
      const [one, two] = urls.map(({ searchParams }) => searchParams.get(name));
      expect(one).toMatch(/^[\w-]{43}$/);
      expect(two).not.toBe(one);
      expect(browser.cookie).not.toContain(one);
    }
    expect(urls[0]!.searchParams.get('code_challenge_method')).toBe('S256');
    expect(urls[0]!.searchParams.get('redirect_uri')).toBe(`${CONSOLE}/login/callback`);
  });

  it('needs a click on the console: a link of another site opens only the login page', async () => {
    const lured = await browser.visit('/login/oidc?next=/audit', { 'sec-fetch-site': 'cross-site' });
    expect([lured.status, lured.headers['location']]).toEqual([303, '/login?next=%2Faudit']);
  });

  it('is refused without a role, with a page that says so', async () => {
    await expectRefused(await byProvider(browser, provider, 'nina'), 403, /^nina has no role/);
  });

  it('is not counted by the limit of login tries, so refused logins do not lock out others', async () => {
    const { url } = await story.startConsole({ OPS_LOGIN_TRIES: '1' });
    for (let times = 0; times < 3; times++) {
      const reply = await byProvider(new ConsoleBrowser({ consoleUrl: url }), provider, 'nina');
      expect(reply.status).toBe(403);
    }
    const done = await byProvider(new ConsoleBrowser({ consoleUrl: url }), provider, 'vera');
    expect(done.status).toBe(303);
  });

  it('leads to the first page if the requested address is too long to keep', async () => {
    const done = await byProvider(browser, provider, 'vera', `/onboardings?q=${'x'.repeat(5_000)}`);
    expect([done.status, done.headers['location']]).toEqual([303, '/']);
  });

  it('is refused if the person refuses it at the provider', async () => {
    await expectRefused(await byProvider(browser, provider, null), 401, /refused the login/);
  });

  it('changes a name like emergency:ada, which would imitate the emergency login', async () => {
    await byProvider(browser, provider, 'mallory');
    expect(await whoIs(browser)).toBe('emergency ada viewer');
  });

  it('is audited with the person’s identity at the provider, and with no token', async () => {
    await byProvider(browser, provider, 'omar');
    const [row] = await until('the row', async () => {
      const rows = await story.sql<{ actor: string; data: object }>(
        "SELECT actor, data FROM audit_events WHERE action = 'console: login: oidc' AND actor = $1",
        ['operator:omar'],
      );
      return rows.length > 0 && rows;
    });
    expect(row!.data).toMatchObject({
      outcome: 'done',
      role: 'operator',
      identity: `${provider.issuer} omar`,
    });
    expect(JSON.stringify(row)).not.toContain(browser.session![1]);
  });

  it('opens the page that the operator wanted, but never another site', async () => {
    const link = await browser.visit('/sessions?a=b');
    expect(link.headers['location']).toBe(`/login?next=${encodeURIComponent('/sessions?a=b')}`);
    for (const [next, then] of [
      ['/sessions?a=b', '/sessions?a=b'],
      ['//evil.example', '/'],
      ['/\\evil.example', '/'],
      ['/.//evil.example', '/evil.example'],
      ['https://evil.example/', '/'],
      ['/login/oidc', '/'],
      ['/logout', '/'],
    ]) {
      const done = await byProvider(new ConsoleBrowser(story), provider, 'vera', next);
      expect([next, done.headers['location']]).toEqual([next, then]);
    }
  });

  it('reads the groups from the userinfo endpoint if the ID token has none', async () => {
    const thin = await IdentityProvider.start(CONSOLE, { thin: true });
    const { url } = await story.startConsole(thin.consoleEnv);
    browser = new ConsoleBrowser({ consoleUrl: url });
    await byProvider(browser, thin, 'ada');
    expect(await whoIs(browser)).toBe('ada admin');
    await thin.stop();
  });
});

describe('an answer of the identity provider', () => {
  const EXPIRED = /expired, or it began in another browser/;
  const INVALID = /not valid/;

  const accepted = async (who = browser) => provider.logIn((await beginAt(who)).href, 'ada');
  const changed = (address: string, name: string, value: string | null) => {
    const url = new URL(address);
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
    return url.href;
  };

  it.each([
    ['with another state', 'state', 'A'.repeat(43), EXPIRED],
    ['without a state', 'state', null, EXPIRED],
    ['of another issuer', 'iss', 'https://evil.example', INVALID],
    ['without an issuer', 'iss', null, INVALID],
    ['with another code', 'code', 'A'.repeat(43), INVALID],
    ['without a code', 'code', null, INVALID],
    ['with an ID token', 'id_token', 'eyJhbGciOiJub25lIn0.e30.', INVALID],
  ])('is refused %s', async (_, name, value, why) => {
    const address = await accepted();
    await expectRefused(await callBack(browser, changed(address, name, value)), 401, why);
    // This login has ended, so even the right answer is refused.
    await expectRefused(await callBack(browser, address), 401, EXPIRED);
  });

  it('is refused with another nonce', async () => {
    const url = await beginAt(browser);
    url.searchParams.set('nonce', 'A'.repeat(43));
    await expectRefused(await callBack(browser, await provider.logIn(url.href, 'ada')), 401, INVALID);
  });

  it('is refused if the ID token is not signed by a key of the provider', async () => {
    const forger = await IdentityProvider.start(CONSOLE, { forged: true });
    const { url } = await story.startConsole(forger.consoleEnv);
    browser = new ConsoleBrowser({ consoleUrl: url });
    await expectRefused(await byProvider(browser, forger, 'ada'), 401, INVALID);
    await forger.stop();
  });

  it('is refused with the code of another login', async () => {
    const other = new URL(await accepted(new ConsoleBrowser(story)));
    const address = changed(await accepted(), 'code', other.searchParams.get('code'));
    await expectRefused(await callBack(browser, address), 401, INVALID);
  });

  it('is refused in a browser that did not begin the login', async () => {
    const address = await accepted();
    const victim = browser;
    browser = new ConsoleBrowser(story);
    await expectRefused(await callBack(browser, address), 401, EXPIRED);
    await beginAt(browser);
    await expectRefused(await callBack(browser, address), 401, EXPIRED);
    expect((await callBack(victim, address)).status).toBe(303);
  });

  it('is accepted only once, even with the same cookie', async () => {
    const address = await accepted();
    const flow = [...browser.cookies].find(([name]) => name.endsWith('_flow'))!;
    expect((await callBack(browser, address)).status).toBe(303);
    expect(browser.cookies.has(flow[0])).toBe(false);
    browser = new ConsoleBrowser(story);
    browser.cookies.set(...flow);
    await expectRefused(await callBack(browser, address), 401, EXPIRED);
  });

  it('is refused ten minutes after the login began, and with an altered cookie', async () => {
    const hash = new KeyedHash(Buffer.from(story.env['HASH_KEY']!, 'base64'));
    const stateOf = (flow: string) => hash.digest('login state', flow).toString('base64url');
    const flowOf = (expiresAtMs: number) => `${'A'.repeat(22)}.${expiresAtMs}.Lw`;
    const answer = (flow: string) => {
      browser = new ConsoleBrowser(story);
      browser.cookies.set('gangway_ops_flow', flow);
      const query = { code: 'A', iss: provider.issuer, state: stateOf(flow) };
      return callBack(browser, `${CONSOLE}/login/callback?${new URLSearchParams(query).toString()}`);
    };
    await expectRefused(await answer(flowOf(Date.now() - 1)), 401, EXPIRED);
    // With an unexpired cookie, the console asks the provider, which does not know the code.
    await expectRefused(await answer(flowOf(Date.now() + 60_000)), 401, INVALID);
    await expectRefused(await answer('x'), 401, EXPIRED);
  });

  it('needs a cookie that lasts ten minutes, and that scripts and other sites cannot use', async () => {
    const begun = await browser.visit('/login/oidc');
    const flow = setCookies(begun).find((line) => line.startsWith('gangway_ops_flow=')) ?? '';
    expect(flow.split('; ').slice(1).sort()).toEqual(['HttpOnly', 'Max-Age=600', 'Path=/', 'SameSite=Lax']);
  });
});

describe('while the identity provider is down', () => {
  it('the login page says so, and the emergency login works until the provider is back', async () => {
    const sick = await IdentityProvider.start(CONSOLE);
    const { url } = await story.startConsole(sick.consoleEnv);
    await sick.stop();
    browser = new ConsoleBrowser({ consoleUrl: url });
    await expectRefused(await browser.visit('/login/oidc'), 503, /does not answer/);
    expect((await byPassword(browser)).status).toBe(303);
    expect(await whoIs(browser)).toBe('emergency:vera admin');

    await sick.resume();
    await byProvider(browser, sick, 'vera');
    expect(await whoIs(browser)).toBe('vera viewer');

    browser = new ConsoleBrowser({ consoleUrl: url });
    const address = await sick.logIn((await beginAt(browser)).href, 'ada');
    await sick.stop();
    await expectRefused(await callBack(browser, address), 503, /does not answer/);
  });
});
