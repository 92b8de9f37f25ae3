import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createPasskey, type PasskeyOptions } from '../../../tools/passkey.js';
import { until } from '#libs/testing';
import type { AppProcess } from '../../support/app-process.js';
import { DemoBrowser } from '../../support/demo/demo-browser.js';
import { ORIGIN, RP_ID, Story } from '../../support/story.js';

const MAIN = join(import.meta.dirname, '../../../apps/demo/src/main.js');

let story: Story;
let demo: AppProcess;
beforeAll(async () => {
  story = await Story.begin({ env: { OTP_RESEND_COOLDOWN_MS: '60000' } });
  demo = await story.startDemo();
});
afterAll(() => story.end());

let users = 0;
const newEmail = () => `ana.${++users}@example.com`;
const code = (email: string) => story.sandbox.control.mails({ email })[0]!.code;
const started = async (email = newEmail()) => {
  const browser = new DemoBrowser(demo.url);
  const { status } = await browser.post('', { email });
  if (status !== 200) throw new Error(`start answered ${status}`);
  return { browser, email };
};
const verified = async () => {
  const { browser, email } = await started();
  await browser.post('/code', { code: code(email) });
  return { browser, email };
};
const passkey = async (browser: DemoBrowser, lies: Partial<PasskeyOptions> = {}) => {
  const { challenge } = (await browser.post('/passkeys/options')).body as unknown as { challenge: string };
  return { name: 'My phone', credential: createPasskey({ rpId: RP_ID, origin: ORIGIN, challenge, ...lies }) };
};
async function read(response: Response, until?: string): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body!) {
    text += decoder.decode(chunk, { stream: true });
    if (until && text.includes(until)) break;
  }
  return text;
}
const types = (stream: string) => [...stream.matchAll(/"type":"(\w+)"/g)].map(([, type]) => type);

describe('the demo', () => {
  it('takes a user from an e-mail address to two passkeys in one submission', async () => {
    const { browser, email } = await started();
    expect((await browser.get()).body).toMatchObject({
      state: 'otp_sent',
      email,
      nextAction: { type: 'submit_otp' },
      otp: { attemptsLeft: 3 },
      mailboxUrl: `${story.sandbox.url}/_sandbox/`,
    });
    expect((await browser.post('/code', { code: code(email) })).body.state).toBe('otp_verified');
    const credentials = [await passkey(browser), await passkey(browser)];
    const { status, body } = await browser.post('/passkeys', { credentials });
    expect({ status, state: body.state }).toEqual({ status: 200, state: 'completed' });
    expect(body.authenticators).toMatchObject([
      { authenticatorName: 'My phone' },
      { authenticatorName: 'My phone' },
    ]);
    expect(Object.keys(body)).not.toContain('id');
    expect(Object.keys(body)).not.toContain('subject');
  });

  it('finds the same user for an e-mail address again, also after a restart', async () => {
    const email = newEmail();
    await started(email);
    const again = await story.startDemo();
    await new DemoBrowser(again.url).post('', { email });
    const { body } = await story.call<{ items: { state: string; subject: { userId: string } }[] }>(
      'GET',
      '/v1/onboardings?limit=2',
    );
    expect(body.items.map(({ state }) => state)).toEqual(['otp_sent', 'cancelled']);
    expect(body.items[0]!.subject.userId).toBe(body.items[1]!.subject.userId);
  });

  it('lets a user cancel to start over, even if the onboarding has already ended', async () => {
    const { browser } = await started();
    expect((await browser.post('/cancel')).body.state).toBe('not_started');
    expect((await browser.get()).body.state).toBe('not_started');
    const other = await started();
    await story.call('POST', `/v1/onboardings/${await newestId()}/cancel`, {});
    expect((await other.browser.post('/cancel')).status).toBe(200);
  });
});

const newestId = async () =>
  (await story.call<{ items: { id: string }[] }>('GET', '/v1/onboardings?limit=1')).body.items[0]!.id;

describe('an e-mail address at the demo', () => {
  it('is refused if the provider cannot mail to it', async () => {
    const { status, body } = await new DemoBrowser(demo.url).post('', { email: 'ana@-ex.com' });
    expect({ status, code: body.code }).toEqual({ status: 400, code: 'validation_failed' });
  });
});

describe('a browser at the demo', () => {
  it('cannot change its onboarding from a tab that shows an older onboarding', async () => {
    const { browser, email } = await started();
    const [shown, theirs] = [browser.ref, code(email)];
    await browser.post('', { email: newEmail() });
    browser.ref = shown;
    for (const path of ['/code', '/resend', '/passkeys/options', '/cancel']) {
      const { status, body } = await browser.post(path, { code: theirs });
      expect({ path, status, code: body.code }).toEqual({ path, status: 409, code: 'other_onboarding' });
    }
    expect((await browser.events('5')).status).toBe(409);
    expect((await browser.get()).body).toMatchObject({
      state: 'otp_sent',
      otp: { attemptsLeft: 3, sends: 1 },
    });
    expect((await browser.events()).status).toBe(200);
  });

  it('does not see the reasons that operators write', async () => {
    const { browser } = await started();
    const reason = 'suspected of fraud, ticket 4711';
    await story.call('POST', `/v1/onboardings/${await newestId()}/cancel`, { reason });
    const stream = await read(await browser.events());
    expect(types(stream).at(-1)).toBe('cancelled');
    expect(stream).toContain('"step":"init-otp"');
    for (const inside of ['ticket', 'fingerprint', 'upstreamStatus', 'actor'])
      expect(stream).not.toContain(inside);
  });

  it('has a cookie that scripts cannot read and other sites do not send', async () => {
    const response = await fetch(`${demo.url}/api/onboarding`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ email: newEmail() }),
    });
    expect(response.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^onboarding-\d+=[\w-]{43}; Path=\/; HttpOnly; SameSite=Strict$/),
    ]);
  });

  it('sees only its own onboarding', async () => {
    const { browser, email } = await started();
    const [name] = browser.cookie.split('=');
    const stranger = new DemoBrowser(demo.url);
    expect((await stranger.get()).body.state).toBe('not_started');
    for (const cookie of ['', `${name}=`, `${name}=${await newestId()}`]) {
      stranger.cookie = cookie;
      for (const path of ['/code', '/resend', '/passkeys/options', '/cancel']) {
        const { status, body } = await stranger.post(path, { code: code(email) });
        expect({ path, status, code: body.code }).toEqual({ path, status: 404, code: 'not_started' });
      }
      expect((await stranger.events()).status).toBe(404);
    }
  });

  it('has a separate cookie for each port of a host, because cookies ignore the port', async () => {
    const { browser } = await started();
    const other = new DemoBrowser((await story.startDemo()).url);
    await other.post('', { email: newEmail() });
    browser.cookie = `${other.cookie}; ${browser.cookie}`;
    const [theirs, ours] = browser.cookie.split('; ').map((each) => each.split('=')[0]);
    expect(theirs).not.toBe(ours);
    expect((await browser.get()).body.state).toBe('otp_sent');
  });

  it('starts again if its onboarding was deleted', async () => {
    const { browser } = await started();
    await story.sql('DELETE FROM onboardings WHERE id = $1', [await newestId()]);
    const late = await browser.post('/resend');
    expect(late).toMatchObject({ status: 404, body: { code: 'not_started' } });
    expect((await browser.events()).status).toBe(404);
    const { status, body, headers } = await browser.get();
    expect({ status, state: body.state }).toEqual({ status: 200, state: 'not_started' });
    expect(headers.getSetCookie()).toEqual([expect.stringMatching(/^onboarding-\d+=;.*; Max-Age=0$/)]);
    expect((await browser.post('', { email: newEmail() })).body.state).toBe('otp_sent');
  });

  it('must send JSON, which a form on another site cannot send', async () => {
    const response = await fetch(`${demo.url}/api/onboarding`, {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: JSON.stringify({ email: newEmail() }),
    });
    expect(response.status).toBe(415);
  });

  it.each([
    ['from a sibling of our site, which gets the cookie', { 'sec-fetch-site': 'same-site' }],
    ['from another site', { 'sec-fetch-site': 'cross-site' }],
    ['from an unknown place', { 'sec-fetch-site': 'none' }],
    ['from a sibling in an old browser', { origin: 'http://localhost:1' }],
    ['from a page without an origin in an old browser', { origin: 'null' }],
  ])('is refused a request %s', async (_, headers) => {
    const { browser } = await started();
    for (const path of ['', '/code', '/resend', '/passkeys/options', '/passkeys', '/cancel']) {
      const response = await fetch(`${demo.url}/api/onboarding${path}`, {
        method: 'POST',
        headers: { cookie: browser.cookie, ...headers },
      });
      const { detail } = (await response.json()) as { detail: string };
      expect({ path, detail }).toEqual({ path, detail: 'Only our own page may send this request.' });
    }
    expect((await browser.get()).body).toMatchObject({ state: 'otp_sent', otp: { sends: 1 } });
  });

  it('may send requests from our own page, also with headers of an old browser', async () => {
    const { browser } = await started();
    const response = await fetch(`${demo.url}/api/onboarding/cancel`, {
      method: 'POST',
      headers: {
        cookie: browser.cookie,
        'x-onboarding': browser.ref,
        'sec-fetch-site': 'same-origin',
        origin: demo.url,
      },
    });
    expect(response.status).toBe(200);
  });

  it('gets pages that run only our own scripts, and is redirected to the passkeys’ host name', async () => {
    const response = await fetch(demo.url);
    expect(response.headers.get('content-security-policy')).toMatch(/default-src 'none'; script-src 'self';/);
    expect(response.headers.get('content-security-policy')).toMatch(
      /; require-trusted-types-for 'script'; trusted-types 'none'$/,
    );
    expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    expect(await response.text()).not.toMatch(/<script(?! type="module" src=)| style=|https?:/);
    const { port } = new URL(demo.url);
    const byAddress = await fetch(`http://127.0.0.1:${port}/`, { redirect: 'manual' });
    expect(byAddress.headers.get('location')).toBe(`http://localhost:${port}/`);
    const library = await fetch(`${demo.url}/vendor/simplewebauthn/index.js`);
    expect(library.headers.get('content-type')).toMatch(/javascript/);
  });
});

describe('an error answer of the demo', () => {
  it('contains only those members of the service’s answer that the page uses', async () => {
    const { browser, email } = await started();
    const wrong = await browser.post('/code', { code: code(email) === '000000' ? '000001' : '000000' });
    expect(wrong).toMatchObject({ status: 422, body: { code: 'otp_invalid', attemptsLeft: 2 } });
    expect(Object.keys(wrong.body).sort()).toEqual(['attemptsLeft', 'code', 'detail', 'status']);
    expect(wrong.headers.get('content-type')).toMatch(/^application\/problem\+json/);

    const soon = await browser.post('/resend');
    expect(soon).toMatchObject({ status: 429, body: { code: 'otp_resend_too_soon' } });
    expect(Number(soon.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  it('names the bad passkey, and the good passkey can be sent again', async () => {
    const { browser } = await verified();
    const [good, bad] = [await passkey(browser), await passkey(browser, { userVerified: false })];
    const { status, body } = await browser.post('/passkeys', { credentials: [good, bad] });
    expect({ status, code: body.code }).toEqual({ status: 422, code: 'attestation_invalid' });
    expect(body.errors).toMatchObject([{ pointer: expect.stringMatching(/^\/authenticators\/1/) }]);
    expect((await browser.post('/passkeys', { credentials: [good] })).body.state).toBe('completed');
  });

  it('comes from the demo itself if the request is invalid', async () => {
    const { browser } = await started();
    for (const [path, body] of [
      ['', { email: 'no-address' }],
      ['/code', { code: '1' }],
      ['/passkeys', { credentials: [] }],
    ] as const) {
      expect(await browser.post(path, body)).toMatchObject({
        status: 400,
        body: { code: 'validation_failed' },
      });
    }
  });

  it('hides the service’s address, and hides that the service refuses the demo’s API key', async () => {
    const refused = await story.startDemo({ GANGWAY_API_KEY: 'gw_not_a_key_of_theirs' });
    const { status, body } = await new DemoBrowser(refused.url).post('', { email: newEmail() });
    expect({ status, code: body.code }).toEqual({ status: 502, code: 'internal' });
    expect(JSON.stringify(body)).not.toMatch(/key|credential|gw_/i);

    const alone = await story.startDemo({ GANGWAY_URL: 'http://127.0.0.1:1' });
    const away = await new DemoBrowser(alone.url).post('', { email: newEmail() });
    expect(away).toMatchObject({ status: 503, body: { code: 'service_unreachable' } });
    expect(away.headers.get('retry-after')).toBe('2');
    expect(JSON.stringify(away.body)).not.toMatch(/127\.0\.0\.1|ECONN/);
  });

  it('is not sent if the service’s answer is lost: the demo safely repeats its request', async () => {
    const service = await story.proxyTo('service');
    let lost = 0;
    service.intercept(/^POST /, ({ loseAnswer }) => loseAnswer(Buffer.from('}'), () => (lost += 1)));
    const patient = await story.startDemo({ GANGWAY_URL: service.url });
    const email = newEmail();
    expect((await new DemoBrowser(patient.url).post('', { email })).body.state).toBe('otp_sent');
    expect(lost).toBe(1);
    expect(story.sandbox.control.mails({ email })).toHaveLength(1);
  });

  it('is not sent if the connection to the service drops: the demo repeats its request', async () => {
    const service = await story.proxyTo('service');
    const patient = await story.startDemo({ GANGWAY_URL: service.url });
    const email = newEmail();
    const sends = () => story.sandbox.control.requests({ route: 'init-otp' }).length;
    const before = sends();
    story.sandbox.control.addFault({ route: 'init-otp', delayMs: 3_000 });
    const start = new DemoBrowser(patient.url).post('', { email });
    await until('the provider has the request', () => sends() > before);
    service.cut();
    const { status, body } = await start;
    expect({ status, state: body.state }).toEqual({ status: 200, state: 'otp_requested' });
  });
});

describe('the timeline at the demo', () => {
  it('arrives live, and continues without a gap after a lost connection', async () => {
    const { browser, email } = await started();
    const cut = new AbortController();
    const stream = await browser.events(undefined, cut.signal);
    expect(stream.headers.get('content-type')).toMatch(/^text\/event-stream/);
    const first = read(stream, 'otp_verified');
    await browser.post('/code', { code: code(email) });
    const seen = await first;
    expect(types(seen).slice(0, 4)).toEqual(['created', 'attempt_started', 'attempt_ended', 'otp_sent']);
    cut.abort();

    const lastId = [...seen.matchAll(/^id: (\d+)$/gm)].at(-1)![1]!;
    await browser.post('/passkeys', { credentials: [await passkey(browser)] });
    const rest = await read(await browser.events(lastId));
    expect(rest).toMatch(new RegExp(`^id: ${Number(lastId) + 1}$`, 'm'));
    expect(types(rest)).toContain('authenticators_created');
    const all = (await story.events(await newestId())).length;
    expect((await browser.events(String(all))).status).toBe(204);
  });
});

describe('a demo with wrong settings', () => {
  it.each([
    [{}, 'GANGWAY_API_KEY is not set'],
    [{ GANGWAY_API_KEY: 'k', GANGWAY_URL: 'here' }, 'GANGWAY_URL is not an http(s) URL'],
    [{ GANGWAY_API_KEY: 'k', DEMO_PORT: '99999' }, 'DEMO_PORT is not a port'],
  ])('does not start, and names the reason: %j', async (env, why) => {
    const child = spawn(process.execPath, [MAIN], { env });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => (said += String(chunk)));
    const [exitCode] = await once(child, 'close');
    expect({ exitCode, said: said.trim() }).toEqual({
      exitCode: 1,
      said: `The demo does not start: ${why}.`,
    });
  });
});
