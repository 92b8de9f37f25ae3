import { createHash, generateKeyPairSync, randomBytes, randomUUID, sign } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { claimsOf, fingerprint, stampOf } from '../../test/turnkey-caller.js';
import { activityOf, turnkeyPasskey, turnkeyUnderTest } from '../../test/turnkey-under-test.js';
import type { TurnkeyUnderTest } from '../../test/turnkey-under-test.js';
import { generateP256 } from '../p256.js';

let t: TurnkeyUnderTest;
beforeAll(async () => {
  t = await turnkeyUnderTest();
});
beforeEach(() => t.sandbox.control.reset());
afterAll(() => t.sandbox.close());

const mail = (contact = t.newContact()) => ({ otpType: 'OTP_TYPE_EMAIL', contact, appName: 'Acme' });
const error = (code: number, message: string | RegExp, errorCode?: string) => ({
  code,
  message: typeof message === 'string' ? message : expect.stringMatching(message),
  details: errorCode
    ? [{ '@type': 'type.googleapis.com/errors.v1.TurnkeyErrorDetail', turnkeyErrorCode: errorCode }]
    : [],
});

describe('a stamp (Turnkey’s signature of a request)', () => {
  const body = () => JSON.stringify({ organizationId: t.parent.organizationId });
  const json = (stamp: object) => Buffer.from(JSON.stringify(stamp)).toString('base64url');
  const parts = () =>
    JSON.parse(Buffer.from(stampOf(body(), t.parent.keys), 'base64url').toString()) as object;

  it('by the parent organization’s key is accepted, and identifies the key’s user', async () => {
    const answer = await t.parent.query('whoami');
    expect(answer).toMatchObject({
      status: 200,
      body: { organizationId: t.parent.organizationId, username: 'sandbox' },
    });
    expect(t.sandbox.control.requests()).toMatchObject([
      { route: 'whoami', headers: { pubkey: t.parent.keys.compressed, signatureOk: true }, answer: 200 },
    ]);
  });

  it.each([
    ['missing', () => null, 'no valid authentication signature found for request', 'SIGNATURE_MISSING'],
    ['not base64url', () => '{}', 'malformed activity stamp', 'SIGNATURE_INVALID'],
    [
      'of another scheme',
      () => json({ ...parts(), scheme: 'X' }),
      'malformed activity stamp',
      'SIGNATURE_INVALID',
    ],
    [
      'with a signature that is not hex',
      () => json({ ...parts(), signature: 'zz' }),
      'malformed activity stamp',
      'SIGNATURE_INVALID',
    ],
    [
      'over other bytes',
      () => stampOf(`${body()} `, t.parent.keys),
      'could not verify api key signature',
      'SIGNATURE_INVALID',
    ],
    [
      'by an unknown key',
      () => stampOf(body(), generateP256()),
      /could not find public key/,
      'PUBLIC_KEY_NOT_FOUND',
    ],
  ])('is refused if it has this fault: %s', async (_name, stamp, message, code) => {
    const answer = await t.parent.send('query/whoami', body(), { headers: { 'x-stamp': stamp() } });
    expect(answer).toMatchObject({ status: 401, body: error(16, message, code) });
    expect(t.sandbox.control.requests().at(-1)?.headers.signatureOk).toBe(false);
  });

  it('is checked only if the organization exists', async () => {
    const unknown = await t.parent.query('whoami', {}, { organizationId: randomUUID() });
    expect(unknown).toMatchObject({
      status: 404,
      body: error(5, 'no organization found with the given ID', 'ORGANIZATION_NOT_FOUND'),
    });
    const none = await t.parent.query('whoami', {}, { organizationId: 'parent' });
    expect(none).toMatchObject({
      status: 400,
      body: error(3, 'malformed organization ID provided', 'INVALID_ORGANIZATION_ID'),
    });
    expect(await t.parent.send('query/whoami', 'no json')).toMatchObject({ status: 400, body: { code: 3 } });
    expect(await t.parent.query('get_policies')).toMatchObject({ status: 404, body: error(5, 'Not Found') });
  });

  it('by a passkey is accepted only over the exact body', async () => {
    const { user, subject } = await t.loggedIn();
    const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const jwk = keys.publicKey.export({ format: 'jwk' });
    const coordinate = (part = '') => Buffer.from(part, 'base64url');
    const passkey = turnkeyPasskey({
      cose: [
        [-2, coordinate(jwk.x)],
        [-3, coordinate(jwk.y)],
      ],
    });
    const creation = { userId: subject.userId, authenticators: [passkey] };
    await user.submit('create_authenticators', 'CREATE_AUTHENTICATORS_V2', creation);

    const stampFor = (text: string, type = 'webauthn.get') => {
      const challenge = Buffer.from(createHash('sha256').update(text).digest('hex')).toString('base64url');
      const clientData = Buffer.from(JSON.stringify({ type, challenge, origin: 'http://localhost:3000' }));
      const authenticatorData = Buffer.concat([randomBytes(32), Buffer.from([5, 0, 0, 0, 1])]);
      const hash = createHash('sha256').update(clientData).digest();
      return JSON.stringify({
        credentialId: passkey.attestation.credentialId,
        authenticatorData: authenticatorData.toString('base64url'),
        clientDataJson: clientData.toString('base64url'),
        signature: sign('sha256', Buffer.concat([authenticatorData, hash]), keys.privateKey).toString(
          'base64url',
        ),
      });
    };
    const text = JSON.stringify({ organizationId: subject.organizationId });
    const send = (stamp: string) =>
      t.parent.send('query/whoami', text, { headers: { 'x-stamp': null, 'X-Stamp-WebAuthn': stamp } });
    expect(await send(stampFor(text))).toMatchObject({ status: 200, body: { userId: subject.userId } });
    // The official clients send the parent's id until they know the user's sub-organization.
    const session = generateP256();
    const login = t.parent.activity('STAMP_LOGIN', { publicKey: session.compressed });
    const headers = { 'x-stamp': null, 'X-Stamp-WebAuthn': stampFor(login) };
    const loggedIn = await t.parent.send('submit/stamp_login', login, { headers });
    const jwt = activityOf(loggedIn.body).result['stampLoginResult']?.['session'] ?? '';
    expect(claimsOf(jwt)).toMatchObject({ organization_id: subject.organizationId, user_id: subject.userId });
    const init = t.parent.activity('INIT_OTP_V3', mail());
    const asUser = { headers: { 'x-stamp': null, 'X-Stamp-WebAuthn': stampFor(init) } };
    expect(await t.parent.send('submit/init_otp', init, asUser)).toMatchObject({ status: 404 });
    expect(await send(stampFor(`${text} `))).toMatchObject({ status: 401 });
    expect(await send(stampFor(text, 'webauthn.create'))).toMatchObject({ status: 401 });
    const signature = randomBytes(70).toString('base64url');
    expect(await send(JSON.stringify({ ...JSON.parse(stampFor(text)), signature }))).toMatchObject({
      status: 401,
    });
    expect(await send(stampFor(text).replace(passkey.attestation.credentialId, 'AAAA'))).toMatchObject({
      status: 404,
    });
    expect(await send('{}')).toMatchObject({ status: 401, body: { message: 'malformed activity stamp' } });
  });

  it('by a verification token allows one login and no other request', async () => {
    const subject = t.sandbox.control.addTurnkeySubject({ contact: t.newContact() });
    const { session, token } = await t.verified(subject.contact);
    const { organizationId } = subject;
    const attested = (text: string, key = session) => ({
      headers: {
        'x-stamp': null,
        'x-stamp-attested': Buffer.from(
          JSON.stringify({
            publicKeyAttestation: token,
            scheme: 'STAMP_ATTESTED_SCHEME_P256_VERIFICATION_TOKEN',
            publicKey: session.compressed,
            signature: sign('sha256', Buffer.from(text), key.privateKey).toString('hex'),
          }),
        ).toString('base64url'),
      },
    });
    const login = t.parent.activity('STAMP_LOGIN', { publicKey: session.compressed }, { organizationId });
    const forged = attested(login, generateP256());
    expect(await t.parent.send('submit/stamp_login', login, forged)).toMatchObject({ status: 401 });
    const whoami = JSON.stringify({ organizationId });
    expect(await t.parent.send('query/whoami', whoami, attested(whoami))).toMatchObject({ status: 403 });
    const answer = await t.parent.send('submit/stamp_login', login, attested(login));
    const { session: jwt = '' } = activityOf(answer.body).result['stampLoginResult'] ?? {};
    expect(claimsOf(jwt)).toMatchObject({ user_id: subject.userId, public_key: session.compressed });
    expect(await t.parent.as(session.privateKeyHex, organizationId).query('whoami')).toMatchObject({
      status: 200,
    });
    const second = t.parent.activity('STAMP_LOGIN', { publicKey: session.compressed }, { organizationId });
    expect(await t.parent.send('submit/stamp_login', second, attested(second))).toMatchObject({
      status: 400,
      body: { message: 'verification token already used' },
    });
  });
});

describe('a query to Turnkey’s public API', () => {
  it('reads users with their credentials', async () => {
    const { user, subject, session } = await t.loggedIn();
    const { organizationId, userId, contact } = subject;
    const passkey = turnkeyPasskey();
    await user.submit('create_authenticators', 'CREATE_AUTHENTICATORS_V2', {
      userId,
      authenticators: [passkey],
    });
    const expected = {
      userId,
      userEmail: contact,
      authenticators: [{ credentialId: passkey.attestation.credentialId }],
      apiKeys: [
        {
          apiKeyId: expect.any(String),
          credential: { publicKey: session.compressed, type: 'CREDENTIAL_TYPE_LOGIN' },
          expirationSeconds: '900',
        },
      ],
      userTags: [],
      oauthProviders: [],
      mfaPolicies: [],
      createdAt: { seconds: String(t.clock.nowMs() / 1000), nanos: '0' },
    };
    expect(await user.query('get_user', { userId })).toMatchObject({ status: 200, body: { user: expected } });
    const byParent = { organizationId };
    expect((await t.parent.query('get_user', { userId }, byParent)).body).toMatchObject({ user: expected });
    expect((await t.parent.query('list_users', {}, byParent)).body).toMatchObject({ users: [expected] });
    expect(await user.query('get_user', { userId: randomUUID() })).toMatchObject({
      status: 404,
      body: { code: 5 },
    });
    const parents = await t.parent.query('list_users');
    expect(parents.body).toMatchObject({
      users: [{ apiKeys: [{ credential: { type: 'CREDENTIAL_TYPE_API_KEY_P256' } }] }],
    });
  });

  it('finds sub-organizations by data of their users', async () => {
    const { user, subject, session } = await t.loggedIn();
    const { organizationId, userId, contact } = subject;
    t.sandbox.control.addTurnkeySubject({ contact: t.newContact() });
    const passkey = turnkeyPasskey();
    await user.submit('create_authenticators', 'CREATE_AUTHENTICATORS_V2', {
      userId,
      authenticators: [passkey],
    });
    for (const [filterType, filterValue] of [
      ['EMAIL', contact.toUpperCase()],
      ['NAME', organizationId],
      ['USERNAME', userId],
      ['PUBLIC_KEY', session.compressed],
      ['CREDENTIAL_ID', passkey.attestation.credentialId],
    ]) {
      const found = await t.parent.query('list_suborgs', { filterType, filterValue });
      expect(found).toMatchObject({ status: 200, body: { organizationIds: [organizationId] } });
    }
    const none = await t.parent.query('list_suborgs', { filterType: 'PHONE_NUMBER', filterValue: contact });
    expect(none.body).toEqual({ organizationIds: [] });
    expect((await t.parent.query('list_suborgs')).body).toMatchObject({ organizationIds: { length: 2 } });
    expect(await user.query('list_suborgs')).toMatchObject({ status: 403 });
  });
});

describe('an activity (a changing request at Turnkey)', () => {
  it('is returned in the documented form', async () => {
    const body = t.parent.activity('INIT_OTP_V3', mail());
    const answer = await t.parent.send('submit/init_otp', body);
    expect(answer).toMatchObject({
      status: 200,
      body: {
        activity: {
          id: expect.any(String),
          organizationId: t.parent.organizationId,
          status: 'ACTIVITY_STATUS_COMPLETED',
          type: 'ACTIVITY_TYPE_INIT_OTP_V3',
          intent: { initOtpIntentV3: { appName: 'Acme' } },
          result: { initOtpResultV2: { otpId: expect.any(String) } },
          votes: [],
          fingerprint: fingerprint(body),
          canApprove: false,
          createdAt: { seconds: String(t.clock.nowMs() / 1000), nanos: '0' },
          updatedAt: { seconds: String(t.clock.nowMs() / 1000), nanos: '0' },
        },
      },
    });
    const { id } = activityOf(answer.body);
    expect((await t.parent.query('get_activity', { activityId: id })).body).toEqual(answer.body);
    const unknown = await t.parent.query('get_activity', { activityId: randomUUID() });
    expect(unknown).toMatchObject({ status: 404, body: { code: 5 } });
  });

  it.each([
    [-3_600_000, 200, null],
    [-3_600_100, 400, 'activity timestamp is not current'],
    [299_900, 200, null],
    [300_100, 400, 'activity timestamp is in the future'],
  ])('with a timestamp %i ms from now is answered with status %i', async (skewMs, status, message) => {
    const fresh = await turnkeyUnderTest();
    const answer = await fresh.parent.submit('init_otp', 'INIT_OTP_V3', mail(), { skewMs });
    await fresh.sandbox.close();
    expect(answer.status).toBe(status);
    if (message) expect(answer.body).toMatchObject(error(3, message, 'REQUEST_INVALID'));
  });

  it('that is sent again byte for byte has one effect and one answer', async () => {
    const contact = t.newContact();
    const body = t.parent.activity('INIT_OTP_V3', mail(contact));
    const answers = await Promise.all([1, 2].map(() => t.parent.send('submit/init_otp', body)));
    answers.push(await t.parent.send('submit/init_otp', body));
    expect(new Set(answers.map((answer) => JSON.stringify(answer.body))).size).toBe(1);
    expect(t.sandbox.control.mails({ contact })).toHaveLength(1);
    expect(
      t.sandbox.control
        .requests()
        .map(({ effect }) => effect !== null)
        .filter(Boolean),
    ).toHaveLength(1);

    await t.parent.send('submit/init_otp', body.replace('{', '{ '));
    expect(t.sandbox.control.mails({ contact })).toHaveLength(2);
    t.sandbox.control.advanceClock(3_700_000);
    expect(await t.parent.send('submit/init_otp', body)).toMatchObject({ status: 400 });
  });

  it.each([
    ['one of another path', 'VERIFY_OTP_V2', {}, /not a type of init_otp/],
    ['one of an unknown type', 'FLY', {}, /not a type of init_otp/],
    ['one with an unknown field', 'INIT_OTP_V3', { colour: 'red' }, /colour/],
    ['one without a name for the application', 'INIT_OTP_V3', { appName: undefined }, /appName/],
  ])('is refused if it is %s', async (_name, type, parameters, message) => {
    const answer = await t.parent.submit('init_otp', type, { ...mail(), ...parameters });
    expect(answer).toMatchObject({ status: 400, body: error(3, message, 'REQUEST_INVALID') });
    expect(t.sandbox.control.mails()).toEqual([]);
  });

  it('is refused if the credential may not submit it', async () => {
    const { user, subject } = await t.loggedIn();
    const { organizationId, userId } = subject;
    const creation = { userId, authenticators: [turnkeyPasskey()] };
    const forbidden = { status: 403, body: error(7, 'request not authorized', 'REQUEST_NOT_AUTHORIZED') };
    const byParent = t.parent.submit('create_authenticators', 'CREATE_AUTHENTICATORS_V2', creation, {
      organizationId,
    });
    expect(await byParent).toMatchObject(forbidden);
    const other = await t.loggedIn();
    const stranger = { organizationId: other.subject.organizationId };
    expect(await user.query('get_authenticators', { userId }, stranger)).toMatchObject({ status: 401 });
    const list = { filterType: 'EMAIL', filterValue: subject.contact };
    expect(await user.query('list_verified_suborgs', list)).toMatchObject(forbidden);
    const signUp = {
      subOrganizationName: 'A',
      rootUsers: [{ userName: 'A', apiKeys: [], authenticators: [], oauthProviders: [] }],
      rootQuorumThreshold: 1,
    };
    expect(await user.submit('create_sub_organization', 'CREATE_SUB_ORGANIZATION_V8', signUp)).toMatchObject(
      forbidden,
    );
  });
});
