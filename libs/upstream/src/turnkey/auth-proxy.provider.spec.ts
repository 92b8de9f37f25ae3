import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Secret } from '#libs/kernel';
import { aCall } from '#libs/testing';
import { Doors, aPasskey, deviceRequest } from '../fixtures/doors.js';
import { endOf } from '../fixtures/end-of.js';
import type { Call, OtpProof, SentOtp, Subject } from '../port/upstream-provider.js';
import type { AuthProxyProvider } from './auth-proxy.provider.js';

let doors: Doors;
let provider: AuthProxyProvider;
beforeAll(async () => {
  doors = await Doors.open();
  provider = doors.authProxy();
});
afterEach(() => doors.reset());
afterAll(() => doors.close());

const newSubject = (known: boolean) => {
  const contact = `${randomUUID()}@example.com`;
  const added = known ? doors.sandbox.control.addTurnkeySubject({ contact }) : null;
  const subject: Subject = { contact: { type: 'email', value: contact } };
  return { subject, contact, userId: added?.userId };
};
const codeFor = (sent: SentOtp): OtpProof => ({ type: 'code', code: new Secret(doors.codeOf(sent)) });
const fault = (spec: Parameters<typeof doors.sandbox.control.addFault>[0]) =>
  doors.sandbox.control.addFault(spec);
const requests = (route: string) => doors.sandbox.control.requests({ route });

async function toVerify(known = true) {
  const { subject, contact, userId } = newSubject(known);
  const sent = await provider.initOtp(aCall(), subject, {});
  const { kept } = aCall();
  const verify = (call: Partial<Call> = {}) =>
    provider.verifyOtp(aCall({ kept, ...call }), subject, sent, codeFor(sent));
  return { subject, contact, userId, verify };
}

it('the Auth Proxy signs a new user up, and passkeys are registered without the proxy', async () => {
  const { subject, contact, verify } = await toVerify(false);
  const grant = await verify();
  const ids = await provider.createAuthenticators(aCall(), subject, grant, [aPasskey().authenticator]);
  expect(ids).toHaveLength(1);
  expect(requests('signup_v2')).toMatchObject([{ contact, answer: 200 }]);
});

it('the Auth Proxy logs in to the organization that the subject names, without a lookup', async () => {
  const contact = `${randomUUID()}@example.com`;
  const { organizationId, userId } = doors.sandbox.control.addTurnkeySubject({ contact });
  const subject: Subject = { organizationId, contact: { type: 'email', value: contact } };
  const sent = await provider.initOtp(aCall(), subject, {});
  expect(await provider.verifyOtp(aCall(), subject, sent, codeFor(sent))).toMatchObject({
    organizationId,
    userId,
  });
  expect(requests('account')).toEqual([]);
});

describe('a correct code at the Auth Proxy', () => {
  it.each(['account', 'signup_v2', 'otp_login_v2'])(
    'is not verified twice if the route %s fails',
    async (route) => {
      const { verify } = await toVerify(false);
      fault({ route, status: 503 });
      expect(await endOf(verify())).toMatchObject({ failure: 'unavailable', evidence: { bytesSent: true } });
      expect(await verify()).toMatchObject({ type: 'session-key' });
      expect(requests('otp_verify_v2')).toHaveLength(1);
    },
  );

  it.each([
    ['account', {}],
    ['signup_v2', {}],
    ['signup_v2', { cut: 'after' }],
    ['otp_login_v2', {}],
  ] as const)('allows another try if an answer of the route %s is lost (fault %j)', async (route, more) => {
    const { verify } = await toVerify(false);
    fault({ route, cut: 'before', ...more });
    // The look-up of the result fails too.
    if (route === 'signup_v2') {
      fault({ route: 'account', status: 200, body: {} });
      fault({ route: 'account', cut: 'before' });
    }
    expect(await endOf(verify())).toMatchObject({ failure: 'unavailable', evidence: { bytesSent: true } });
    expect(await verify()).toMatchObject({ type: 'session-key' });
    expect(requests('otp_verify_v2')).toHaveLength(1);
  });

  it('is used up if the answer with the token is lost: a repeat reports an expired code', async () => {
    const { verify } = await toVerify();
    fault({ route: 'otp_verify_v2', cut: 'after' });
    expect(await endOf(verify())).toMatchObject({ failure: 'no_answer' });
    expect(await endOf(verify())).toMatchObject({ failure: 'rejected', reason: 'otp_expired' });
  });
});

describe('the service, after a lost answer of the Auth Proxy,', () => {
  it('finds out by whoami, with the session’s key, whether the login succeeded', async () => {
    const { verify, userId } = await toVerify();
    fault({ route: 'otp_login_v2', cut: 'after' });
    const grant = await verify();
    expect(grant).toMatchObject({ type: 'session-key', userId });
    // Counted from before the login, so the session never ends before the recorded time.
    const lifeMs = grant.expiresAt.getTime() - Date.now();
    expect(lifeMs).toBeLessThanOrEqual(900_000);
    expect(lifeMs).toBeGreaterThan(870_000);
  });

  it('finds out in a later try whether the login succeeded', async () => {
    const { verify, userId } = await toVerify();
    fault({ route: 'otp_login_v2', cut: 'after' });
    fault({ route: 'whoami', status: 503 });
    expect(await endOf(verify())).toMatchObject({ failure: 'unavailable' });
    expect(await verify()).toMatchObject({ userId });
    expect(requests('otp_login_v2').map(({ answer }) => answer)).toEqual(['cut', 400]);
  });

  it('repeats a login that never arrived', async () => {
    const { verify } = await toVerify();
    fault({ route: 'otp_login_v2', cut: 'before' });
    expect(await endOf(verify())).toMatchObject({ failure: 'unavailable' });
    expect(await verify()).toMatchObject({ type: 'session-key' });
  });

  it('finds out by the account route whether the signup succeeded', async () => {
    const { verify } = await toVerify(false);
    fault({ route: 'signup_v2', cut: 'after' });
    expect(await verify()).toMatchObject({ type: 'session-key' });
    expect(requests('signup_v2')).toHaveLength(1);
  });
});

async function keeping(texts: Readonly<Record<string, string>>): Promise<Call> {
  const call = aCall();
  for (const [name, text] of Object.entries(texts)) await call.kept(name, () => text);
  return call;
}

describe('the options of a code at the Auth Proxy', () => {
  it('may contain a captcha token, an origin and a template, which the service forwards', async () => {
    const { subject } = newSubject(true);
    const { choice, once } = provider.parseOtpChoice({
      emailCustomization: { templateId: 'tpl-1' },
      captchaToken: '0.turnstile',
      origin: 'https://app.example.com',
    });
    // A captcha token is valid only once, so it is no option for every code.
    expect(once).toEqual({ captchaToken: '0.turnstile' });
    expect(choice).not.toHaveProperty('captchaToken');
    const sent = await provider.initOtp(await keeping(once), subject, choice);
    expect(doors.http.sent[0]!.headers).toMatchObject({
      'x-captcha-token': '0.turnstile',
      origin: 'https://app.example.com',
    });
    const [mail] = doors.sandbox.control.mails({ otpId: sent.handle });
    expect(mail!.message).toMatchObject({ emailCustomization: { templateId: 'tpl-1' } });
    expect(JSON.parse(doors.http.sent[0]!.body!)).not.toHaveProperty('captchaToken');
  });

  it('are rejected without a required captcha token, or with an origin that is not allowed', async () => {
    const strict = await Doors.open({ captcha: true, allowedOrigins: ['https://app.example.com'] });
    try {
      const at = strict.authProxy();
      const subject: Subject = { contact: { type: 'email', value: 'ana@example.com' } };
      const captchaToken = '0.turnstile';
      const refused = { failure: 'rejected', reason: undefined };
      const origin = 'https://app.example.com';
      const noCaptcha = { failure: 'rejected', reason: 'captcha_required' };
      expect(await endOf(at.initOtp(aCall(), subject, { origin }))).toMatchObject(noCaptcha);
      expect(
        await endOf(at.initOtp(await keeping({ captchaToken }), subject, { origin: 'https://evil.example' })),
      ).toMatchObject(refused);
      expect(await endOf(at.initOtp(await keeping({ captchaToken }), subject, {}))).toMatchObject({
        failure: 'misconfigured',
      });
      expect(await endOf(at.initOtp(await keeping({ captchaToken }), subject, { origin }))).toBe('well');
    } finally {
      await strict.close();
    }
  });
});

describe('the integration’s default origin at the Auth Proxy', () => {
  const ours = 'https://app.example.com';
  const theirs = 'https://shop.example.com';
  const strict = Doors.open({ allowedOrigins: [ours, theirs] });
  afterAll(async () => (await strict).close());

  it.each(['server', 'client'] as const)(
    'is sent with every call that has no other origin, in %s custody',
    async (custody) => {
      const at = await strict;
      at.reset();
      const name = custody === 'client' ? 'auth proxy, client custody' : 'auth proxy';
      const proxy = at.authProxy({ custody, otpDefaults: { origin: ours } });
      const door = at.door(name);
      const { subject, device } =
        custody === 'client' ? door.newUser() : { ...door.newUser(), ...newSubject(false) };
      const sent = await proxy.initOtp(aCall(), subject, { origin: theirs });
      const proof = await door.proof({ subject, device }, sent, at.codeOf(sent));
      at.sandbox.control.addFault({ route: 'otp_login_v2', cut: 'after' });
      const grant = await proxy.verifyOtp(aCall(), subject, sent, proof);
      const passkey = aPasskey();
      const request = await deviceRequest({ subject, device }, grant, [passkey]);
      await proxy.createAuthenticators(aCall(), subject, grant, [passkey.authenticator], request);
      await proxy.probe(aCall());
      const calls = at.http.sent.filter(({ pathAndQuery }) => pathAndQuery.startsWith('/v1/'));
      const origins = calls.map(({ pathAndQuery, headers }) => [pathAndQuery.slice(4), headers['origin']]);
      const routes =
        custody === 'client'
          ? ['otp_verify_v2', 'otp_login_v2', 'wallet_kit_config']
          : [
              'otp_verify_v2',
              'account',
              'signup_v2',
              'otp_login_v2',
              'wallet_kit_config',
              'wallet_kit_config',
            ];
      expect(origins).toEqual([['otp_init_v2', theirs], ...routes.map((route) => [route, ours])]);
    },
  );

  it('makes every call end in misconfigured if the proxy does not allow this origin', async () => {
    const at = (await strict).authProxy({ otpDefaults: { origin: 'https://old.example.com' } });
    expect(await endOf(at.initOtp(aCall(), newSubject(false).subject, {}))).toMatchObject({
      failure: 'misconfigured',
    });
    expect(await endOf(at.probe(aCall()))).toMatchObject({ failure: 'misconfigured' });
  });
});

describe('a wrong configuration of the Auth Proxy', () => {
  it('is found at the first call if the config id is unknown', async () => {
    const at = doors.authProxy({ authProxyConfigId: randomUUID() });
    expect(await endOf(at.initOtp(aCall(), newSubject(true).subject, {}))).toMatchObject({
      failure: 'misconfigured',
    });
    expect(await endOf(at.probe(aCall()))).toMatchObject({ failure: 'misconfigured' });
  });

  it('is found by the probe if the config id belongs to another organization', async () => {
    const at = doors.authProxy({ organizationId: randomUUID() });
    expect(await endOf(at.probe(aCall()))).toMatchObject({ failure: 'misconfigured' });
  });
});

describe('a registration after a login at the Auth Proxy', () => {
  it('ends in no_answer if the session expires before the result is looked up', async () => {
    const { subject, verify } = await toVerify();
    const grant = await verify();
    const { kept } = aCall();
    const { authenticator } = aPasskey();
    const create = () => provider.createAuthenticators(aCall({ kept }), subject, grant, [authenticator]);
    fault({ route: 'create_authenticators', cut: 'after' });
    fault({ route: 'get_authenticators', status: 503 });
    expect(await endOf(create())).toMatchObject({ failure: 'no_answer' });
    doors.sandbox.control.advanceClock(20 * 60_000, true);
    expect(await endOf(create())).toMatchObject({ failure: 'no_answer' });
  });
});
