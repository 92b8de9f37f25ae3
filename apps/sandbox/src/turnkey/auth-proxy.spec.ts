import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { claimsOf, post, sealed } from '../../test/turnkey-caller.js';
import { turnkeyUnderTest } from '../../test/turnkey-under-test.js';
import type { TurnkeyUnderTest } from '../../test/turnkey-under-test.js';
import { generateP256 } from '../p256.js';

const ORIGIN = 'https://app.example';
let t: TurnkeyUnderTest;
beforeAll(async () => {
  t = await turnkeyUnderTest({
    turnkey: {
      allowedOrigins: [ORIGIN],
      captcha: true,
      accountNeedsToken: true,
      otpLength: 6,
      otpAlphanumeric: false,
    },
  });
});
beforeEach(() => t.sandbox.control.reset());
afterAll(() => t.sandbox.close());

const call = (route: string, body: object, headers: Record<string, string | null> = {}) =>
  post(`${t.sandbox.url}/v1/${route}`, JSON.stringify(body), {
    'content-type': 'application/json',
    'x-auth-proxy-config-id': t.sandbox.turnkey.authProxyConfigId,
    'x-captcha-token': 'any',
    origin: ORIGIN,
    ...headers,
  });
const order = (contact = t.newContact()) => ({ otpType: 'OTP_TYPE_EMAIL', contact });

async function verified(contact: string) {
  const { body } = await call('otp_init_v2', order(contact));
  const { otpId, otpEncryptionTargetBundle } = body as Record<string, string>;
  const [mail] = t.sandbox.control.mails({ contact });
  const session = generateP256();
  const bundle = await sealed(
    mail?.code ?? '',
    otpEncryptionTargetBundle ?? '',
    session,
    t.sandbox.turnkey.signerPublicKey,
  );
  const answer = await call('otp_verify_v2', { otpId, encryptedOtpBundle: bundle });
  const { verificationToken = '' } = answer.body as Record<string, string>;
  return {
    session,
    token: verificationToken,
    again: () => call('otp_verify_v2', { otpId, encryptedOtpBundle: bundle }),
  };
}

describe('the configuration of the Auth Proxy', () => {
  it.each([
    ['no config id', { 'x-auth-proxy-config-id': null }, 401],
    ['another config id', { 'x-auth-proxy-config-id': 'x' }, 401],
    ['another origin', { origin: 'https://evil.example' }, 403],
    ['no origin', { origin: null }, 403],
    ['no captcha', { 'x-captcha-token': null }, 403],
    ['its origin', { origin: ORIGIN }, 200],
  ])('decides whether a request is accepted with %s', async (_name, headers, status) => {
    const answer = await call('otp_init_v2', order(), headers as Record<string, string | null>);
    expect(answer.status).toBe(status);
    if (status !== 200)
      expect(answer.body).toEqual({
        code: status === 401 ? 16 : 7,
        message: expect.any(String),
        details: [],
      });
    expect(t.sandbox.control.mails()).toHaveLength(status === 200 ? 1 : 0);
  });

  it('is returned if the request has no body, and if the body is an empty object', async () => {
    const headers = {
      'content-type': 'application/json',
      'x-auth-proxy-config-id': t.sandbox.turnkey.authProxyConfigId,
      origin: ORIGIN,
    };
    for (const route of ['wallet_kit_config', 'wallet_kit_client_params']) {
      const withNone = await fetch(`${t.sandbox.url}/v1/${route}`, { method: 'POST', headers });
      expect(withNone.status).toBe(200);
      expect(await call(route, {})).toMatchObject({ status: 200, body: await withNone.json() });
      expect(await call(route, { colour: 'red' })).toMatchObject({ status: 400, body: { code: 3 } });
    }
    const withNone = await fetch(`${t.sandbox.url}/v1/otp_init_v2`, {
      method: 'POST',
      headers: { ...headers, 'x-captcha-token': 'any' },
    });
    expect(withNone.status).toBe(400);
  });

  it('contains a site key only if a captcha is required', async () => {
    const noCaptcha = { 'x-captcha-token': null };
    expect((await call('wallet_kit_client_params', {}, noCaptcha)).body).toEqual({
      turnstileSiteKey: expect.stringMatching(/^1x0+AA$/),
    });
    const free = await turnkeyUnderTest();
    const config = { 'x-auth-proxy-config-id': free.sandbox.turnkey.authProxyConfigId };
    const answer = await post(`${free.sandbox.url}/v1/wallet_kit_client_params`, '{}', config);
    await free.sandbox.close();
    expect(answer).toMatchObject({ status: 200, body: {} });
    expect(answer.body).toEqual({});
  });

  it('may require a captcha, but not for a signup with a verification token', async () => {
    const signUp = { userEmail: t.newContact(), apiKeys: [], authenticators: [], oauthProviders: [] };
    for (const route of ['signup', 'signup_v2']) {
      const refused = await call(route, signUp, { 'x-captcha-token': null });
      expect(refused).toMatchObject({ status: 403, body: { message: expect.stringMatching(/captcha/i) } });
      const withToken = { ...signUp, verificationToken: 'unknown' };
      expect(await call(route, withToken, { 'x-captcha-token': null })).toMatchObject({
        status: 400,
        body: { message: 'invalid verification token' },
      });
    }
  });

  it('is returned with the values from the options of the sandbox', async () => {
    expect((await call('wallet_kit_config', {}, { 'x-captcha-token': null })).body).toEqual({
      organizationId: t.sandbox.turnkey.organizationId,
      enabledProviders: ['email', 'sms', 'passkey'],
      sessionExpirationSeconds: '900',
      otpLength: '6',
      otpAlphanumeric: false,
    });
  });
});

describe('the Auth Proxy', () => {
  it('sends a new code for each request, and accepts each code once', async () => {
    const contact = t.newContact();
    for (let times = 0; times < 2; times += 1) {
      expect(await call('otp_init_v2', order(contact))).toMatchObject({ status: 200 });
    }
    expect(t.sandbox.control.mails({ contact })).toMatchObject([
      { code: expect.stringMatching(/^\d{6}$/) },
      {},
    ]);
    const { again } = await verified(t.newContact());
    expect(await again()).toMatchObject({ status: 400, body: { message: 'OTP code already used' } });
    expect(await call('otp_init_v2', { ...order(), otpLength: 6 })).toMatchObject({ status: 400 });
  });

  it('finds the sub-organization of a contact only with a token of that contact', async () => {
    const subject = t.sandbox.control.addTurnkeySubject({ contact: t.newContact() });
    const { token, session } = await verified(subject.contact);
    const filter = { filterType: 'EMAIL', filterValue: subject.contact };
    const { organizationId } = subject;
    expect(await call('account', filter)).toMatchObject({ status: 400 });
    expect((await call('account', { ...filter, verificationToken: token })).body).toEqual({ organizationId });
    const other = { ...filter, filterValue: t.newContact(), verificationToken: token };
    expect(await call('account', other)).toMatchObject({ status: 400 });
    expect(
      (await call('account', { filterType: 'PUBLIC_KEY', filterValue: session.compressed })).body,
    ).toEqual({});

    const { body } = await call('otp_login_v2', t.loginOrder(token, session));
    expect(claimsOf((body as Record<string, string>)['session'] ?? '')).toMatchObject({
      user_id: subject.userId,
    });
    expect(
      (await call('account', { filterType: 'PUBLIC_KEY', filterValue: session.compressed })).body,
    ).toEqual({ organizationId });
    expect(await call('otp_login_v2', t.loginOrder(token, session))).toMatchObject({ status: 400 });
    expect(t.sandbox.control.requests({ userId: subject.userId }).map(({ route }) => route)).toEqual([
      'otp_init_v2',
      'otp_verify_v2',
      'account',
      'account',
      'otp_login_v2',
      'otp_login_v2',
    ]);
  });

  it('supports the first version of each route', async () => {
    const contact = t.newContact();
    const { body } = await call('otp_init', order(contact));
    expect(body).toEqual({ otpId: expect.any(String) });
    const { otpId } = body as { otpId: string };
    const otpCode = t.sandbox.control.mails({ contact })[0]?.code;
    const answer = await call('otp_verify', { otpId, otpCode });
    const { verificationToken = '' } = answer.body as Record<string, string>;
    const session = generateP256();
    const parts = { apiKeys: [], authenticators: [], oauthProviders: [] };
    const signup = { userEmail: contact, ...parts, verificationToken };
    expect(await call('signup_v2', signup)).toMatchObject({ status: 400 });
    const made = await call('signup', signup);
    expect(made).toMatchObject({
      status: 200,
      body: { organizationId: expect.any(String), userId: expect.any(String) },
    });
    const login = { verificationToken, publicKey: session.compressed };
    expect(await call('otp_login', login)).toMatchObject({
      status: 200,
      body: { session: expect.any(String) },
    });
  });
});
