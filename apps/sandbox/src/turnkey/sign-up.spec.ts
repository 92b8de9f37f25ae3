import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { clientSignatureOf } from '../../test/turnkey-caller.js';
import { resultOf, turnkeyPasskey, turnkeyUnderTest } from '../../test/turnkey-under-test.js';
import type { TurnkeyUnderTest } from '../../test/turnkey-under-test.js';

let t: TurnkeyUnderTest;
beforeAll(async () => {
  t = await turnkeyUnderTest();
});
beforeEach(() => t.sandbox.control.reset());
afterAll(() => t.sandbox.close());

/** Verifies a contact that has no sub-organization. */
async function ready() {
  const contact = t.newContact();
  const { session, token, tokenId } = await t.verified(contact);
  const parts = { apiKeys: [], authenticators: [turnkeyPasskey()], oauthProviders: [] };
  const user = { userName: 'Ana', userEmail: contact, ...parts };
  const usage = { ...parts, email: contact };
  const signed = (inner: object) =>
    clientSignatureOf({ ...inner, tokenId, type: 'USAGE_TYPE_SIGNUP' }, session);
  const order = {
    subOrganizationName: 'Ana',
    rootUsers: [user],
    rootQuorumThreshold: 1,
    verificationToken: token,
    clientSignature: signed({ signupV2: usage }),
  };
  const create = (changes: object = {}, version = 'V8') =>
    t.parent.submit('create_sub_organization', `CREATE_SUB_ORGANIZATION_${version}`, {
      ...order,
      ...changes,
    });
  const owners = async () => {
    const { body } = await t.parent.query('list_verified_suborgs', {
      filterType: 'EMAIL',
      filterValue: contact,
    });
    return (body as { organizationIds: string[] }).organizationIds;
  };
  return { contact, usage, user, signed, create, owners, session, token };
}

describe('Turnkey’s create_sub_organization', () => {
  it('creates a user with a verified contact and passkeys, and the token still allows a login', async () => {
    const { create, owners, contact, session, token } = await ready();
    expect(await owners()).toEqual([]);
    const wallet = { walletName: 'Main', accounts: [{ curve: 'CURVE_SECP256K1' }] };
    const answer = await create({ wallet });
    const result = resultOf(answer.body, 'createSubOrganizationResultV8');
    expect(result).toMatchObject({ wallet: { addresses: [expect.stringMatching(/^0x/)] } });
    const { subOrganizationId: organizationId = '' } = result;
    const [userId = ''] = result['rootUserIds'] ?? [];
    expect(await owners()).toEqual([organizationId]);
    expect(t.sandbox.control.authenticators(userId)).toHaveLength(1);
    const login = t.loginOrder(token, session);
    expect(await t.parent.submit('otp_login', 'OTP_LOGIN_V2', login, { organizationId })).toMatchObject({
      status: 200,
    });
    expect(t.sandbox.control.requests({ contact, userId }).map(({ route }) => route)).toEqual([
      'create_sub_organization',
      'list_verified_suborgs',
      'otp_login',
    ]);
  });

  it('refuses a client signature that does not fit the request, and a second use of the token', async () => {
    const { create, owners, signed, usage, user } = await ready();
    const bad = [
      { clientSignature: undefined },
      { clientSignature: signed({ signup: usage }) },
      { clientSignature: signed({ signupV2: { ...usage, authenticators: [] } }) },
      { clientSignature: signed({ signupV2: { ...usage, email: 'eve@example.com' } }) },
      { rootUsers: [{ ...user, userEmail: 'eve@example.com' }] },
    ];
    for (const changes of bad) expect(await create(changes)).toMatchObject({ status: 400 });
    expect(await owners()).toEqual([]);
    expect(t.sandbox.control.authenticators()).toEqual([]);
    expect(await create({ clientSignature: signed({ signup: usage }) }, 'V7')).toMatchObject({ status: 200 });
    expect(await create()).toMatchObject({
      status: 400,
      body: { message: 'verification token already used' },
    });
    expect(await owners()).toHaveLength(1);
  });

  it('refuses a contact that differs from the contact of the token', async () => {
    const { create, signed, usage, user } = await ready();
    const eve = { ...user, userEmail: 'eve@example.com' };
    const clientSignature = signed({ signupV2: { ...usage, email: eve.userEmail } });
    const answer = await create({ rootUsers: [eve], clientSignature });
    expect(answer).toMatchObject({
      status: 400,
      body: { message: 'contact is not that of the verification token' },
    });
  });

  it('leaves the contact unverified if no token is given', async () => {
    const { create, owners } = await ready();
    const none = { verificationToken: undefined, clientSignature: undefined };
    expect(await create(none)).toMatchObject({ status: 200 });
    expect(await owners()).toEqual([]);
  });

  it('stores nothing if one passkey is refused', async () => {
    const { create, user } = await ready();
    const [taken] = user.authenticators;
    const fresh = turnkeyPasskey();
    const plain = { verificationToken: undefined, clientSignature: undefined };
    const other = { ...user, authenticators: [taken] };
    const rootUsers = [{ ...user, authenticators: [taken, fresh] }, other];
    expect(await create({ ...plain, rootUsers })).toMatchObject({ status: 400 });
    expect(t.sandbox.control.authenticators()).toEqual([]);
    expect(await create({ ...plain, rootUsers: [user] })).toMatchObject({ status: 200 });
  });
});

describe('an unknown organization or user', () => {
  it('is created at its first use if acceptAnySubject is set', async () => {
    const any = await turnkeyUnderTest({ acceptAnySubject: true });
    const contact = any.newContact();
    const { session, token } = await any.verified(contact);
    const filter = { filterType: 'EMAIL', filterValue: contact };
    const { body } = await any.parent.query('list_verified_suborgs', filter);
    const { organizationIds } = body as { organizationIds: string[] };
    expect(organizationIds).toHaveLength(1);
    const elsewhere = { organizationId: '99999999-8888-4777-8666-555555555555' };
    const login = await any.parent.submit(
      'otp_login',
      'OTP_LOGIN_V2',
      any.loginOrder(token, session),
      elsewhere,
    );
    expect(login).toMatchObject({ status: 200 });
    const user = any.parent.as(session.privateKeyHex, elsewhere.organizationId);
    const userId = '6ba7b810-9dad-41d1-80b4-00c04fd430c8';
    const creation = { userId, authenticators: [turnkeyPasskey()] };
    const answer = await user.submit('create_authenticators', 'CREATE_AUTHENTICATORS_V2', creation);
    expect(answer).toMatchObject({ status: 200 });
    await any.sandbox.close();
  });
});
