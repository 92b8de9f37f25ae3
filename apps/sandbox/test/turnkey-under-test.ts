import { randomUUID } from 'node:crypto';
import { generateP256, p256FromScalar } from '../src/p256.js';
import type { P256KeyPair } from '../src/p256.js';
import type { SandboxOptions } from '../src/sandbox.js';
import { makePasskey } from './passkey.js';
import type { PasskeyFlaws } from './passkey.js';
import { sandboxUnderTest } from './sandbox-under-test.js';
import { claimsOf, clientSignatureOf, sealed, TurnkeyCaller } from './turnkey-caller.js';

/** With transports that Turnkey knows. */
export function turnkeyPasskey(flaws: PasskeyFlaws = {}) {
  const passkey = makePasskey(flaws);
  return {
    ...passkey,
    attestation: { ...passkey.attestation, transports: ['AUTHENTICATOR_TRANSPORT_INTERNAL'] },
  };
}

interface Envelope {
  activity: { id: string; status: string; result: Record<string, Record<string, string>> };
}
export const resultOf = (body: unknown, name: string) => (body as Envelope).activity.result[name] ?? {};
export const activityOf = (body: unknown) => (body as Envelope).activity;

/** Starts a sandbox with a client that stamps as the parent organization. */
export async function turnkeyUnderTest(options: SandboxOptions = {}) {
  const t = await sandboxUnderTest(options);
  const { organizationId, apiPrivateKeyHex, signerPublicKey } = t.sandbox.turnkey;
  const keys = apiPrivateKeyHex === null ? generateP256() : p256FromScalar(apiPrivateKeyHex);
  const parent = new TurnkeyCaller(t.sandbox.url, keys, organizationId, t.clock.nowMs);

  const newContact = () => `${randomUUID()}@example.com`;
  const sent = async (contact: string, parameters: object = {}) => {
    const order = { otpType: 'OTP_TYPE_EMAIL', contact, appName: 'Acme', ...parameters };
    const answer = await parent.submit('init_otp', 'INIT_OTP_V3', order);
    const { otpId = '', otpEncryptionTargetBundle = '' } = resultOf(answer.body, 'initOtpResultV2');
    const code = t.sandbox.control.mails({ otpId })[0]?.code ?? '';
    const seal = (text: string, session: P256KeyPair) =>
      sealed(text, otpEncryptionTargetBundle, session, signerPublicKey);
    return { answer, otpId, code, bundle: otpEncryptionTargetBundle, seal };
  };
  const verified = async (contact: string, session = generateP256(), expirationSeconds = '3600') => {
    const { otpId, code, seal } = await sent(contact);
    const parameters = { otpId, encryptedOtpBundle: await seal(code, session), expirationSeconds };
    const answer = await parent.submit('verify_otp', 'VERIFY_OTP_V2', parameters);
    const token = resultOf(answer.body, 'verifyOtpResult')['verificationToken'] ?? '';
    return { session, token, tokenId: String(claimsOf(token)['id']) };
  };
  const loginOrder = (token: string, session: P256KeyPair, publicKey = session.compressed) => {
    const message = { login: { publicKey }, tokenId: claimsOf(token)['id'], type: 'USAGE_TYPE_LOGIN' };
    return { verificationToken: token, publicKey, clientSignature: clientSignatureOf(message, session) };
  };
  const loggedIn = async (parameters: object = {}, contact = newContact()) => {
    const subject = t.sandbox.control.addTurnkeySubject({ contact });
    const { session, token } = await verified(contact);
    const order = { ...loginOrder(token, session), ...parameters };
    const deviation = { organizationId: subject.organizationId };
    const answer = await parent.submit('otp_login', 'OTP_LOGIN_V2', order, deviation);
    const user = parent.as(session.privateKeyHex, subject.organizationId);
    return { subject, session, token, order, answer, user };
  };
  return { ...t, parent, newContact, sent, verified, loginOrder, loggedIn };
}

export type TurnkeyUnderTest = Awaited<ReturnType<typeof turnkeyUnderTest>>;
