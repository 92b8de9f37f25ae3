import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '#libs/testing';
import { ConsoleBrowser, setCookies, tokenOf } from '../../support/console-browser.js';
import { byPassword, byProvider, whoIs } from '../../support/console-logins.js';
import { IdentityProvider } from '../../support/identity-provider.js';
import { Story } from '../../support/story.js';

const CONSOLE = 'http://console.example';

let provider: IdentityProvider;
let story: Story;
beforeAll(async () => {
  provider = await IdentityProvider.start(CONSOLE);
  const env = { OPS_LOGIN_TRIES: '1000', TRUSTED_PROXIES: '127.0.0.1', ...provider.consoleEnv };
  story = await Story.begin({ service: false, worker: false, console: true, env });
});
afterAll(async () => {
  await story.end();
  await provider.stop();
});

async function replica(env: Record<string, string>): Promise<Pick<Story, 'consoleUrl'>> {
  return { consoleUrl: (await story.startConsole(env)).url };
}

describe('a session of the console', () => {
  it('gets a new token with each login, whatever cookie the browser sends', async () => {
    const browser = new ConsoleBrowser(story);
    const planted = 'A'.repeat(43);
    browser.cookies.set('gangway_ops', planted);
    await byProvider(browser, provider, 'vera');
    const [, first] = browser.session!;
    expect(first).not.toBe(planted);
    expect(Buffer.from(first, 'base64url')).toHaveLength(32);

    await byProvider(browser, provider, 'vera');
    expect(browser.session![1]).not.toBe(first);
    const old = new ConsoleBrowser(story);
    old.cookies.set('gangway_ops', first);
    expect(await whoIs(old)).toBeNull();
  });

  it('is stored only as a hash', async () => {
    const browser = new ConsoleBrowser(story);
    await byPassword(browser);
    const rows = await story.sql<{ row: string }>('SELECT s::text AS row FROM operator_sessions s');
    const text = JSON.stringify(rows);
    expect(text).toContain('emergency:vera');
    expect(text).not.toContain(browser.session![1]);
    expect(text).not.toContain(Buffer.from(browser.session![1], 'base64url').toString('hex'));
  });

  it('ends on the server at logout, also for a thief of its cookie', async () => {
    const browser = new ConsoleBrowser(story);
    await byProvider(browser, provider, 'vera');
    const thief = new ConsoleBrowser(story);
    thief.cookies.set(...browser.session!);
    expect(await whoIs(thief)).toBe('vera viewer');

    expect((await browser.post('/logout', { token: 'A'.repeat(43) })).status).toBe(403);
    const token = tokenOf(await browser.visit('/logout'));
    const out = await browser.post('/logout', { token });
    expect([out.status, out.headers['location']]).toEqual([303, '/login?out=oidc']);
    expect(out.headers['clear-site-data']).toBe('"cache", "storage"');
    expect(browser.session).toBeUndefined();
    expect(await whoIs(thief)).toBeNull();

    const page = await browser.visit('/login?out=oidc');
    const there =
      /<a href="(http:\/\/127[^"]+)">Log out of/.exec(page.text)?.[1]?.replaceAll('&amp;', '&') ?? '';
    expect((await fetch(there)).status).toBe(200);
  });

  it('ends after its maximum lifetime, even if it is used', async () => {
    const short = await replica({ OPS_SESSION_LIFE_MS: '2500', OPS_SESSION_IDLE_MS: '2500' });
    const browser = new ConsoleBrowser(short);
    await byPassword(browser);
    await until('the session is over', async () => (await whoIs(browser)) === null);
  });

  it('ends when the operator is idle, even if a page sends requests by itself', async () => {
    const browser = new ConsoleBrowser(await replica({ OPS_SESSION_IDLE_MS: '2500' }));
    await byPassword(browser);
    const asked = async () => (await browser.fetch('GET', '/sessions', { 'hx-request': 'true' })).status;
    expect(await asked()).toBe(200);
    await until('the page is refused', async () => (await asked()) === 401);
  });

  it('does not end while it is used', async () => {
    const browser = new ConsoleBrowser(await replica({ OPS_SESSION_IDLE_MS: '2500' }));
    await byPassword(browser);
    const since = performance.now();
    await until('twice its idle life has passed', async () => {
      expect(await whoIs(browser)).not.toBeNull();
      return performance.now() - since > 5_000;
    });
  });
});

describe('the list of sessions', () => {
  const idsOn = (text: string) => [...text.matchAll(/value="([0-9a-f]{64})"/g)].map(([, id]) => id!);

  it('shows operators only their own sessions, and lets them end all but the current one', async () => {
    const [here, there] = [new ConsoleBrowser(story, { via: '192.0.2.7' }), new ConsoleBrowser(story)];
    const other = new ConsoleBrowser(story);
    for (const browser of [here, there]) await byProvider(browser, provider, 'omar');
    await byProvider(other, provider, 'ada');
    const page = await here.visit('/sessions');
    expect(page.text).toContain('192.0.2.7');
    expect(idsOn(page.text)).toHaveLength(1);
    // A whole word, because a session's id may contain the same letters.
    expect(page.text).not.toMatch(/\bada\b/);

    const token = tokenOf(page);
    const ofAll = idsOn((await other.visit('/sessions')).text);
    // Even with the right id, an operator cannot end another operator's session.
    for (const session of ofAll.filter((id) => !idsOn(page.text).includes(id))) {
      await here.post('/sessions', { token, session });
    }
    expect(await whoIs(other)).toBe('ada admin');
    expect(await whoIs(there)).toBe('omar operator');
    expect((await here.post('/sessions', { token, session: 'others' })).status).toBe(303);
    expect(await whoIs(there)).toBeNull();
    expect(await whoIs(here)).toBe('omar operator');
  });

  it('lets an admin end a session of another operator, which is audited', async () => {
    const [admin, thief] = [new ConsoleBrowser(story), new ConsoleBrowser(story, { via: '198.51.100.99' })];
    await byProvider(admin, provider, 'ada');
    await byProvider(thief, provider, 'mallory');
    const page = await admin.visit('/sessions');
    const [, session = ''] =
      /value="([0-9a-f]{64})"[^>]*aria-label="End the session of [^"]* from 198\.51\.100\.99"/.exec(
        page.text,
      ) ?? [];
    expect((await admin.post('/sessions', { token: tokenOf(page), session })).status).toBe(303);
    expect(await whoIs(thief)).toBeNull();
    const rows = await until('the row', async () => {
      const found = await story.sql<{ target: string }>(
        "SELECT target FROM audit_events WHERE action = 'console: end sessions' AND actor = 'operator:ada'",
      );
      return found.length > 0 && found;
    });
    expect(rows[0]!.target).toBe('emergency ada');
  });
});

describe('the cookies of the console', () => {
  it('work only for this host over TLS, and not for scripts or for forms of other sites', async () => {
    const browser = new ConsoleBrowser(story, { overTls: true });
    const login = await byPassword(browser);
    const session = setCookies(login).find((line) => line.startsWith('__Host-gangway_ops=')) ?? '';
    expect(session.split('; ').slice(1).sort()).toEqual(['HttpOnly', 'Path=/', 'SameSite=Lax', 'Secure']);
    expect((await browser.visit('/sessions')).headers['strict-transport-security']).toMatch(/max-age=\d{8}/);
    // Without the prefix `__Host-`, an attacker in the network could set the cookie.
    const other = new ConsoleBrowser(story, { overTls: true });
    other.cookies.set('gangway_ops', browser.session![1]);
    expect(await whoIs(other)).toBeNull();
  });

  it('have a name without __Host- if the proxy that terminates TLS is not trusted', async () => {
    const direct = new ConsoleBrowser(await replica({ TRUSTED_PROXIES: '10.0.0.0/8' }));
    const page = await direct.visit('/login', { 'x-forwarded-proto': 'https' });
    expect(setCookies(page).join()).not.toMatch(/__Host-|Secure/);
    expect(page.headers['strict-transport-security']).toBeUndefined();
  });
});
