import { createHash } from 'node:crypto';
import {
  generateRegistrationOptions,
  type PublicKeyCredentialCreationOptionsJSON,
} from '@simplewebauthn/server';
import type { SubjectRef } from '#libs/onboarding';
import type { PasskeyPolicy } from '#libs/platform';

/** What a browser shows beside a passkey. */
export interface PasskeyUser {
  userName: string;
  userDisplayName?: string | undefined;
}

export interface CreationWish {
  policy: PasskeyPolicy;
  subject: SubjectRef;
  user: PasskeyUser;
  /** Unpadded base64url. */
  challenge: string;
  /** Credential ids that the subject has: no authenticator makes a second one beside them. */
  known: readonly string[];
}

/** @returns what `navigator.credentials.create` takes: of the policy, what one can ask a browser for. */
export async function creationOptions({
  policy,
  subject,
  user,
  challenge,
  known,
}: CreationWish): Promise<PublicKeyCredentialCreationOptionsJSON> {
  const options = await generateRegistrationOptions({
    rpID: policy.rpId,
    rpName: policy.rpName,
    userName: user.userName,
    userDisplayName: user.userDisplayName ?? user.userName,
    userID: userHandleOf(subject),
    challenge: new Uint8Array(Buffer.from(challenge, 'base64url')),
    supportedAlgorithmIDs: [...policy.algorithms],
    excludeCredentials: known.map((id) => ({ id })),
    authenticatorSelection: { residentKey: policy.residentKey, userVerification: policy.userVerification },
  });
  // By itself, as the library does not know `indirect`.
  return { ...options, attestation: policy.attestation };
}

/**
 * The user's `user.id`: stable for ever, or an authenticator would take the subject for another, and without a
 * meaning of its own (WebAuthn Level 3 §14.6.1).
 */
function userHandleOf({ integration, subjectKey }: SubjectRef): Uint8Array<ArrayBuffer> {
  const digest = createHash('sha256').update(`gangway user handle\n${integration}\n${subjectKey}`).digest();
  return new Uint8Array(digest);
}
