/**
 * A backend that uses `@turnkey/sdk-server`. `official-turnkey-clients.long-spec.ts` runs it. It takes a user
 * from the code to a passkey, and then removes the passkey. Its only argument is its settings as JSON. It
 * prints its report as JSON.
 */
import { Turnkey } from '@turnkey/sdk-server';
import {
  encryptOtpCodeToBundle,
  generateP256KeyPair,
  verifyOtpVerificationToken,
  verifySessionJwtSignature,
} from '@turnkey/crypto';

const { url, facts, apiPrivateKey, contact, passkey } = JSON.parse(process.argv[2] ?? '');
const { organizationId, apiPublicKey, signerPublicKey, notarizerPublicKey } = facts;
const sdk = new Turnkey({
  apiBaseUrl: url,
  apiPublicKey,
  apiPrivateKey,
  defaultOrganizationId: organizationId,
  activityPoller: { intervalMs: 20, numRetries: 10 },
});
const parent = sdk.apiClient();
const session = generateP256KeyPair();
const user = sdk.apiClient({ apiPublicKey: session.publicKey, apiPrivateKey: session.privateKey });

async function sandbox(path, body) {
  const answer = await fetch(
    `${url}/_sandbox/${path}`,
    body && { method: 'POST', body: JSON.stringify(body) },
  );
  return answer.json();
}
async function signed(message) {
  const text = JSON.stringify(message);
  const scheme = 'CLIENT_SIGNATURE_SCHEME_API_P256';
  return {
    publicKey: session.publicKey,
    scheme,
    message: text,
    signature: await user.stamper.sign(text, 'raw'),
  };
}

const whoami = await parent.getWhoami();
const { otpId, otpEncryptionTargetBundle } = await parent.initOtp({
  otpType: 'OTP_TYPE_EMAIL',
  contact,
  appName: 'Acme',
  userIdentifier: contact,
});
const [{ code }] = await sandbox(`mailbox?otpId=${otpId}`);
const { verificationToken } = await parent.verifyOtp({
  otpId,
  encryptedOtpBundle: await encryptOtpCodeToBundle(
    code,
    otpEncryptionTargetBundle,
    session.publicKey,
    signerPublicKey,
  ),
});
const token = await verifyOtpVerificationToken(verificationToken, signerPublicKey);

const none = { apiKeys: [], authenticators: [], oauthProviders: [] };
const signup = { signupV2: { ...none, email: contact }, tokenId: token.id, type: 'USAGE_TYPE_SIGNUP' };
const { subOrganizationId } = await parent.createSubOrganization({
  subOrganizationName: 'Ana',
  rootQuorumThreshold: 1,
  rootUsers: [{ userName: 'Ana', userEmail: contact, ...none }],
  verificationToken,
  clientSignature: await signed(signup),
});
const found = await Promise.all([
  parent.getVerifiedSubOrgIds({ filterType: 'EMAIL', filterValue: contact }),
  parent.getSubOrgIds({ filterType: 'NAME', filterValue: 'Ana' }),
]);

const usage = { login: { publicKey: session.publicKey }, tokenId: token.id, type: 'USAGE_TYPE_LOGIN' };
const login = await parent.otpLogin({
  organizationId: subOrganizationId,
  verificationToken,
  publicKey: session.publicKey,
  clientSignature: await signed(usage),
});

const { userId } = await user.getWhoami({ organizationId: subOrganizationId });
const subject = { organizationId: subOrganizationId, userId };
const created = await user.createAuthenticators({ ...subject, authenticators: [passkey] });
const activity = await user.getActivity({
  organizationId: subOrganizationId,
  activityId: created.activity.id,
});
const { authenticators } = await parent.getAuthenticators(subject);
const read = await parent.getUser(subject);
const { users } = await parent.getUsers({ organizationId: subOrganizationId });

// With this setting, the sandbox reports the activity as pending, so the client must poll.
await sandbox('faults', { route: 'delete_authenticators', activity: { polls: 2 } });
const deleted = await user.deleteAuthenticators({ ...subject, authenticatorIds: created.authenticatorIds });
const refusal = await user.getWhoami({ organizationId: 'none' }).catch((error) => error.message);

process.stdout.write(
  JSON.stringify({
    whoami,
    contact: token.contact,
    subOrganizationId,
    found: found.flatMap(({ organizationIds }) => organizationIds),
    sessionIsGenuine: await verifySessionJwtSignature(login.session, notarizerPublicKey),
    userId,
    authenticatorIds: created.authenticatorIds,
    activity: activity.activity,
    authenticators,
    user: read.user,
    users,
    deleted: { status: deleted.activity.status, authenticatorIds: deleted.authenticatorIds },
    refusal,
  }),
);
