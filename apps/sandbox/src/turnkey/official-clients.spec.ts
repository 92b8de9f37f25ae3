import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ApiKeyStamper, SignatureFormat } from '@turnkey/api-key-stamper';
import {
  computeActivityFingerprint,
  encryptOtpCodeToBundle,
  verifyOtpVerificationToken,
  verifySessionJwtSignature,
} from '@turnkey/crypto';
import { TurnkeyClient } from '@turnkey/http';
import { makePasskey } from '../../test/passkey.js';
import { sandboxUnderTest } from '../../test/sandbox-under-test.js';
import type { SandboxUnderTest } from '../../test/sandbox-under-test.js';
import { generateP256 } from '../p256.js';
import type { P256KeyPair } from '../p256.js';

let t: SandboxUnderTest;
beforeAll(async () => {
  // The sandbox uses the real time, because the official packages compare a token's expiry with it.
  t = await sandboxUnderTest({ clock: { nowMs: () => Date.now() } });
});
afterAll(() => t.sandbox.close());

const stamperOf = ({ compressed, privateKeyHex }: P256KeyPair) =>
  new ApiKeyStamper({ apiPublicKey: compressed, apiPrivateKey: privateKeyHex });
const clientOf = (stamper: ApiKeyStamper) => new TurnkeyClient({ baseUrl: t.sandbox.url }, stamper);
const passkey = () => {
  const made = makePasskey();
  return {
    ...made,
    attestation: { ...made.attestation, transports: ['AUTHENTICATOR_TRANSPORT_INTERNAL' as const] },
  };
};
const newestMail = (contact: string) => t.sandbox.control.mails({ contact })[0] ?? { otpId: '', code: '' };
const signed = async (message: object, keys: P256KeyPair) => {
  const text = JSON.stringify(message);
  return {
    publicKey: keys.compressed,
    scheme: 'CLIENT_SIGNATURE_SCHEME_API_P256' as const,
    message: text,
    signature: await stamperOf(keys).sign(text, SignatureFormat.Raw),
  };
};

describe('Turnkey’s official packages', () => {
  it.each([
    ['a known contact', true],
    ['a new contact', false],
  ])(
    'complete all steps for %s through the public API, from the code to the passkey',
    async (_name, known) => {
      const { organizationId, apiPublicKey, apiPrivateKeyHex, signerPublicKey, notarizerPublicKey } =
        t.sandbox.turnkey;
      const contact = `ana.${known}@example.com`;
      const subject = known ? t.sandbox.control.addTurnkeySubject({ contact }) : null;
      const parent = clientOf(new ApiKeyStamper({ apiPublicKey, apiPrivateKey: apiPrivateKeyHex as string }));
      const envelope = () => ({ timestampMs: String(Date.now()), organizationId });
      const session = generateP256();

      const init = await parent.initOtp({
        type: 'ACTIVITY_TYPE_INIT_OTP_V3',
        ...envelope(),
        parameters: { otpType: 'OTP_TYPE_EMAIL', contact, appName: 'Acme', userIdentifier: contact },
      });
      expect(init.activity.status).toBe('ACTIVITY_STATUS_COMPLETED');
      const { otpId = '', otpEncryptionTargetBundle = '' } = init.activity.result.initOtpResultV2 ?? {};
      expect(newestMail(contact)).toMatchObject({
        otpId,
        code: expect.stringMatching(/^[0-9A-HJKMNP-TV-Z]{9}$/),
      });

      const verified = await parent.verifyOtp({
        type: 'ACTIVITY_TYPE_VERIFY_OTP_V2',
        ...envelope(),
        parameters: {
          otpId,
          encryptedOtpBundle: await encryptOtpCodeToBundle(
            newestMail(contact).code,
            otpEncryptionTargetBundle,
            session.compressed,
            signerPublicKey,
          ),
        },
      });
      const { verificationToken = '' } = verified.activity.result.verifyOtpResult ?? {};
      const token = await verifyOtpVerificationToken(verificationToken, signerPublicKey);
      expect(token).toMatchObject({
        contact,
        organization_id: organizationId,
        public_key: session.compressed,
      });

      const found = await parent.getVerifiedSubOrgIds({
        organizationId,
        filterType: 'EMAIL',
        filterValue: contact,
      });
      expect(found.organizationIds).toEqual(subject ? [subject.organizationId] : []);
      let [subOrganizationId] = found.organizationIds;
      if (subOrganizationId === undefined) {
        const [apiKeys, authenticators, oauthProviders]: [never[], never[], never[]] = [[], [], []];
        const signupV2 = { apiKeys, authenticators, oauthProviders, email: contact };
        const message = { signupV2, tokenId: token.id, type: 'USAGE_TYPE_SIGNUP' };
        const created = await parent.createSubOrganization({
          type: 'ACTIVITY_TYPE_CREATE_SUB_ORGANIZATION_V8',
          ...envelope(),
          parameters: {
            subOrganizationName: 'Ana',
            rootUsers: [{ userName: 'Ana', userEmail: contact, apiKeys, authenticators, oauthProviders }],
            rootQuorumThreshold: 1,
            verificationToken,
            clientSignature: await signed(message, session),
          },
        });
        subOrganizationId = created.activity.result.createSubOrganizationResultV8?.subOrganizationId ?? '';
        const now = await parent.getVerifiedSubOrgIds({
          organizationId,
          filterType: 'EMAIL',
          filterValue: contact,
        });
        expect(now.organizationIds).toEqual([subOrganizationId]);
      }

      const login = { login: { publicKey: session.compressed }, tokenId: token.id, type: 'USAGE_TYPE_LOGIN' };
      const loggedIn = await parent.otpLogin({
        type: 'ACTIVITY_TYPE_OTP_LOGIN_V2',
        ...envelope(),
        organizationId: subOrganizationId,
        parameters: {
          verificationToken,
          publicKey: session.compressed,
          clientSignature: await signed(login, session),
        },
      });
      const jwt = loggedIn.activity.result.otpLoginResult?.session ?? '';
      expect(await verifySessionJwtSignature(jwt, notarizerPublicKey)).toBe(true);

      const user = clientOf(stamperOf(session));
      const { userId } = await user.getWhoami({ organizationId: subOrganizationId });
      if (subject) expect(userId).toBe(subject.userId);
      const added = passkey();
      const creation = {
        type: 'ACTIVITY_TYPE_CREATE_AUTHENTICATORS_V2' as const,
        ...envelope(),
        organizationId: subOrganizationId,
        parameters: { userId, authenticators: [added] },
      };
      const { activity } = await user.createAuthenticators(creation);
      expect(activity.fingerprint).toBe(computeActivityFingerprint(JSON.stringify(creation)));
      const { authenticatorIds = [] } = activity.result.createAuthenticatorsResult ?? {};

      const stored = await parent.getAuthenticators({ organizationId: subOrganizationId, userId });
      expect(stored.authenticators).toMatchObject([
        { authenticatorId: authenticatorIds[0], credentialId: added.attestation.credentialId },
      ]);
      const again = await parent.getActivity({ organizationId: subOrganizationId, activityId: activity.id });
      expect(again.activity.result).toEqual(activity.result);
    },
  );

  it('complete all steps for a new contact through the Auth Proxy', async () => {
    const { authProxyConfigId, signerPublicKey, notarizerPublicKey } = t.sandbox.turnkey;
    const contact = 'bob@example.com';
    const session = generateP256();
    const proxy = async (route: string, body: object) => {
      const headers = { 'content-type': 'application/json', 'X-Auth-Proxy-Config-ID': authProxyConfigId };
      const answer = await fetch(`${t.sandbox.url}/v1/${route}`, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      });
      expect(answer.status).toBe(200);
      return (await answer.json()) as Record<string, string>;
    };

    const { otpId, otpEncryptionTargetBundle = '' } = await proxy('otp_init_v2', {
      otpType: 'OTP_TYPE_EMAIL',
      contact,
    });
    const encryptedOtpBundle = await encryptOtpCodeToBundle(
      newestMail(contact).code,
      otpEncryptionTargetBundle,
      session.compressed,
      signerPublicKey,
    );
    const { verificationToken = '' } = await proxy('otp_verify_v2', { otpId, encryptedOtpBundle });
    const { id: tokenId } = await verifyOtpVerificationToken(verificationToken, signerPublicKey);
    const filter = { filterType: 'EMAIL', filterValue: contact, verificationToken };
    expect(await proxy('account', filter)).toEqual({});

    const parts = { apiKeys: [], authenticators: [passkey()], oauthProviders: [] };
    const signup = { signupV2: { ...parts, email: contact }, tokenId, type: 'USAGE_TYPE_SIGNUP' };
    const { organizationId = '', userId } = await proxy('signup_v2', {
      userEmail: contact,
      ...parts,
      verificationToken,
      clientSignature: await signed(signup, session),
    });
    expect(await proxy('account', filter)).toEqual({ organizationId });

    const message = { login: { publicKey: session.compressed }, tokenId, type: 'USAGE_TYPE_LOGIN' };
    const login = {
      verificationToken,
      publicKey: session.compressed,
      clientSignature: await signed(message, session),
    };
    const { session: jwt = '' } = await proxy('otp_login_v2', login);
    expect(await verifySessionJwtSignature(jwt, notarizerPublicKey)).toBe(true);
    expect(await clientOf(stamperOf(session)).getWhoami({ organizationId })).toMatchObject({
      organizationId,
      userId,
    });
    expect(t.sandbox.control.authenticators(userId)).toHaveLength(1);
  });
});
