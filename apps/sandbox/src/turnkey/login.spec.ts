import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { claimsOf, clientSignatureOf } from '../../test/turnkey-caller.js';
import { resultOf, turnkeyPasskey, turnkeyUnderTest } from '../../test/turnkey-under-test.js';
import type { TurnkeyUnderTest } from '../../test/turnkey-under-test.js';
import { generateP256 } from '../p256.js';

let t: TurnkeyUnderTest;
beforeAll(async () => {
  t = await turnkeyUnderTest();
});
beforeEach(() => t.sandbox.control.reset());
afterAll(() => t.sandbox.close());

async function ready() {
  const subject = t.sandbox.control.addTurnkeySubject({ contact: t.newContact() });
  const { session, token, tokenId } = await t.verified(subject.contact);
  const { organizationId } = subject;
  const login = (changes: object = {}, type = 'OTP_LOGIN_V2') =>
    t.parent.submit('otp_login', type, { ...t.loginOrder(token, session), ...changes }, { organizationId });
  return { subject, session, token, tokenId, login };
}

describe('Turnkey’s otp_login', () => {
  it('registers the given key, and the session token names this key', async () => {
    const { subject, session, login } = await ready();
    const answer = await login({ expirationSeconds: '60' });
    const { session: jwt = '' } = resultOf(answer.body, 'otpLoginResult');
    expect(claimsOf(jwt)).toEqual({
      exp: t.clock.nowMs() / 1000 + 60,
      public_key: session.compressed,
      session_type: 'SESSION_TYPE_READ_WRITE',
      user_id: subject.userId,
      organization_id: subject.organizationId,
    });
    const user = t.parent.as(session.privateKeyHex, subject.organizationId);
    expect(await user.query('whoami')).toMatchObject({ status: 200, body: { userId: subject.userId } });
    const byParent = { organizationId: t.parent.organizationId };
    expect(await user.query('whoami', {}, byParent)).toMatchObject({
      status: 200,
      body: { userId: subject.userId },
    });
    t.sandbox.control.advanceClock(59_999, true);
    expect(await user.query('whoami')).toMatchObject({ status: 200 });
    t.sandbox.control.advanceClock(1, true);
    expect(await user.query('whoami')).toMatchObject({
      status: 401,
      body: { code: 16, message: 'expired api key', details: [{ turnkeyErrorCode: 'API_KEY_EXPIRED' }] },
    });
  });

  it('accepts a session key other than the token’s key, if the token’s key signs the login', async () => {
    const { session, token, tokenId, login } = await ready();
    const other = generateP256();
    const message = { login: { publicKey: other.compressed }, tokenId, type: 'USAGE_TYPE_LOGIN' };
    const forged = { publicKey: other.compressed, clientSignature: clientSignatureOf(message, other) };
    expect(await login(forged)).toMatchObject({ status: 400 });
    const answer = await login(t.loginOrder(token, session, other.compressed));
    expect(answer).toMatchObject({ status: 200 });
  });

  it('refuses a client signature that does not fit the token or the request', async () => {
    const { session, tokenId, login } = await ready();
    const message = { login: { publicKey: session.compressed }, tokenId, type: 'USAGE_TYPE_LOGIN' };
    const signed = (changes: object) => clientSignatureOf({ ...message, ...changes }, session);
    const good = signed({});
    const bad: [object, RegExp][] = [
      [signed({ tokenId: 'other' }), /tokenId/],
      [signed({ type: 'USAGE_TYPE_SIGNUP' }), /type/],
      [signed({ login: { publicKey: generateP256().compressed } }), /does not match the request/],
      [signed({ more: 1 }), /does not match the request/],
      [{ ...good, message: `${good.message} ` }, /does not verify/],
      [{ ...good, signature: `3045${good.signature}` }, /64 bytes/],
      [{ ...good, publicKey: generateP256().compressed }, /not the key/],
      [{ ...good, scheme: 'SIGNATURE_SCHEME_TK_API_P256' }, /scheme/],
    ];
    for (const [clientSignature, message] of bad) {
      expect(await login({ clientSignature })).toMatchObject({
        status: 400,
        body: { message: expect.stringMatching(message) },
      });
    }
    expect(await login({ clientSignature: undefined })).toMatchObject({ status: 400 });
    expect(await login({ clientSignature: undefined }, 'OTP_LOGIN')).toMatchObject({
      body: { message: 'missing client signature' },
    });
    // The refused logins have not used up the token.
    expect(await login()).toMatchObject({ status: 200 });
  });

  it('refuses a used, forged or expired token', async () => {
    const [spent, late] = [await ready(), await ready()];
    expect(await spent.login()).toMatchObject({ status: 200 });
    expect(await spent.login()).toMatchObject({
      status: 400,
      body: { message: 'verification token already used' },
    });
    const forged = { verificationToken: late.token.replace(/.$/, (last) => (last === 'A' ? 'Q' : 'A')) };
    expect(await late.login(forged)).toMatchObject({
      status: 400,
      body: { message: 'invalid verification token' },
    });
    t.sandbox.control.advanceClock(3_600_000, true);
    expect(await late.login()).toMatchObject({
      status: 400,
      body: { message: 'expired verification token' },
    });
  });

  it('refuses an organization in which no user has the contact of the token', async () => {
    const { login, token, session } = await ready();
    const other = t.sandbox.control.addTurnkeySubject({ contact: t.newContact() });
    const order = t.loginOrder(token, session);
    const elsewhere = { organizationId: other.organizationId };
    expect(await t.parent.submit('otp_login', 'OTP_LOGIN_V2', order, elsewhere)).toMatchObject({
      status: 404,
    });
    expect(await login()).toMatchObject({ status: 200 });
  });

  it('answers a repeated request with the same activity', async () => {
    const { subject, session, token } = await ready();
    const order = t.loginOrder(token, session);
    const body = t.parent.activity('OTP_LOGIN_V2', order, { organizationId: subject.organizationId });
    const first = await t.parent.send('submit/otp_login', body);
    t.sandbox.control.advanceClock(60_000, true);
    expect((await t.parent.send('submit/otp_login', body)).body).toEqual(first.body);
  });
});

describe('a session', () => {
  it('ends at a login that invalidates existing sessions, and stays open at other logins', async () => {
    const { subject, user } = await t.loggedIn();
    const next = generateP256();
    const stay = { publicKey: next.compressed };
    expect(await user.submit('stamp_login', 'STAMP_LOGIN', stay)).toMatchObject({ status: 200 });
    expect(await user.query('whoami')).toMatchObject({ status: 200 });
    const nextUser = t.parent.as(next.privateKeyHex, subject.organizationId);
    const end = { publicKey: next.compressed, invalidateExisting: true };
    expect(await nextUser.submit('stamp_login', 'STAMP_LOGIN', end)).toMatchObject({ status: 200 });
    expect(await user.query('whoami')).toMatchObject({
      status: 401,
      body: { details: [{ turnkeyErrorCode: 'PUBLIC_KEY_NOT_FOUND' }] },
    });
    expect(await nextUser.query('whoami')).toMatchObject({ status: 200 });
  });

  it('ends if its user opens ten newer sessions', async () => {
    const { user } = await t.loggedIn();
    for (let login = 0; login < 9; login += 1) {
      await user.submit('stamp_login', 'STAMP_LOGIN', { publicKey: generateP256().compressed });
    }
    expect(await user.query('whoami')).toMatchObject({ status: 200 });
    await user.submit('stamp_login', 'STAMP_LOGIN', { publicKey: generateP256().compressed });
    expect(await user.query('whoami')).toMatchObject({ status: 401 });
  });
});

describe('authenticators', () => {
  const create = (
    user: Awaited<ReturnType<TurnkeyUnderTest['loggedIn']>>['user'],
    userId: string,
    authenticators: object[],
  ) => user.submit('create_authenticators', 'CREATE_AUTHENTICATORS_V2', { userId, authenticators });

  it('are stored with their public key, and can be read and deleted', async () => {
    const { user, subject } = await t.loggedIn();
    const [passkey, rsa] = [turnkeyPasskey({ format: 'packed' }), turnkeyPasskey({ algorithm: -257 })];
    const answer = await create(user, subject.userId, [passkey, rsa]);
    const { authenticatorIds } = resultOf(answer.body, 'createAuthenticatorsResult') as unknown as {
      authenticatorIds: string[];
    };
    const read = () =>
      t.parent.query(
        'get_authenticators',
        { userId: subject.userId },
        { organizationId: subject.organizationId },
      );
    expect((await read()).body).toMatchObject({
      authenticators: [
        {
          authenticatorId: authenticatorIds[0],
          credentialId: passkey.attestation.credentialId,
          attestationType: 'packed',
          transports: ['AUTHENTICATOR_TRANSPORT_INTERNAL'],
          credential: {
            publicKey: expect.stringMatching(/^0[23][0-9a-f]{64}$/),
            type: 'CREDENTIAL_TYPE_WEBAUTHN_AUTHENTICATOR',
          },
          createdAt: { seconds: String(t.clock.nowMs() / 1000), nanos: '0' },
        },
        { authenticatorId: authenticatorIds[1], attestationType: 'none' },
      ],
    });
    expect(t.sandbox.control.authenticators(subject.userId)).toMatchObject([
      { accountId: subject.organizationId },
      {},
    ]);
    const remove = { userId: subject.userId, authenticatorIds: authenticatorIds.slice(0, 1) };
    const removed = await user.submit('delete_authenticators', 'DELETE_AUTHENTICATORS', remove);
    expect(resultOf(removed.body, 'deleteAuthenticatorsResult')).toEqual({
      authenticatorIds: remove.authenticatorIds,
    });
    expect((await read()).body).toMatchObject({ authenticators: [{ authenticatorId: authenticatorIds[1] }] });
    expect(await user.submit('delete_authenticators', 'DELETE_AUTHENTICATORS', remove)).toMatchObject({
      status: 404,
    });
    expect(await create(user, subject.userId, [passkey])).toMatchObject({ status: 200 });
  });

  it('are also accepted in the oldest version of the activity, CREATE_AUTHENTICATORS', async () => {
    const { user, subject } = await t.loggedIn();
    const { attestation, ...passkey } = turnkeyPasskey();
    const { credentialId, transports, ...response } = attestation;
    const authenticators = [
      {
        ...passkey,
        userId: subject.userId,
        attestation: {
          id: credentialId,
          rawId: credentialId,
          type: 'public-key',
          response: { ...response, transports },
          clientExtensionResults: {},
        },
      },
    ];
    const creation = { userId: subject.userId, authenticators };
    const answer = await user.submit('create_authenticators', 'CREATE_AUTHENTICATORS', creation);
    expect(answer).toMatchObject({ status: 200 });
    expect(t.sandbox.control.authenticators(subject.userId)).toMatchObject([{ credentialId }]);
  });

  it('are all refused if one is invalid', async () => {
    const { user, subject } = await t.loggedIn();
    const good = turnkeyPasskey();
    const bad: [object[], RegExp][] = [
      [
        [good, turnkeyPasskey({ type: 'webauthn.get' })],
        /^invalid authenticator attestation: client data type/,
      ],
      [[good, good], /already registered/],
      [[], /at least one/],
      [[{ ...good, attestation: { ...good.attestation, transports: ['Unknown'] } }], /transports/],
    ];
    for (const [authenticators, message] of bad) {
      expect(await create(user, subject.userId, authenticators)).toMatchObject({
        status: 400,
        body: { message: expect.stringMatching(message) },
      });
    }
    expect(await create(user, 'unknown', [good])).toMatchObject({ status: 404 });
    expect(t.sandbox.control.authenticators()).toEqual([]);
    expect(await create(user, subject.userId, [good])).toMatchObject({ status: 200 });
    const other = await t.loggedIn();
    expect(await create(other.user, other.subject.userId, [good])).toMatchObject({ status: 400 });
  });

  it('are limited to ten per user', async () => {
    const { user, subject } = await t.loggedIn();
    const ten = Array.from({ length: 10 }, () => turnkeyPasskey());
    expect(await create(user, subject.userId, ten)).toMatchObject({ status: 200 });
    expect(await create(user, subject.userId, [turnkeyPasskey()])).toMatchObject({
      status: 429,
      body: { code: 8, message: 'user has exceeded maximum authenticators', details: [] },
    });
  });
});
