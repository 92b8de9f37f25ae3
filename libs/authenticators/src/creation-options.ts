import { createHash } from 'node:crypto';
import {
  generateRegistrationOptions,
  type PublicKeyCredentialCreationOptionsJSON,
} from '@simplewebauthn/server';
import { nextActionOf, type Row, type SubjectRef } from '#libs/onboarding';
import type { PasskeyPolicy } from '#libs/platform';

/** The names that a browser shows with a passkey. */
export interface PasskeyUser {
  userName: string;
  userDisplayName?: string | undefined;
}

export interface CreationWish {
  policy: PasskeyPolicy;
  subject: SubjectRef;
  user: PasskeyUser;
  /** Base64url without padding. */
  challenge: string;
  /**
   * The ids of the subject's passkeys. An authenticator with one of these passkeys makes no further passkey.
   */
  known: readonly string[];
  /** Whole milliseconds, see {@link timeoutOf}. */
  timeout: number;
}

/** Translates the parts of the policy that a browser understands into options. */
export async function creationOptions({
  policy,
  subject,
  user,
  challenge,
  known,
  timeout,
}: CreationWish): Promise<PublicKeyCredentialCreationOptionsJSON> {
  const options = await generateRegistrationOptions({
    rpID: policy.rpId,
    rpName: policy.rpName,
    userName: user.userName,
    userDisplayName: user.userDisplayName ?? user.userName,
    userID: userHandleOf(subject),
    challenge: new Uint8Array(Buffer.from(challenge, 'base64url')),
    supportedAlgorithmIDs: [...policy.algorithms],
    timeout,
    excludeCredentials: known.map((id) => ({ id })),
    authenticatorSelection: { residentKey: policy.residentKey, userVerification: policy.userVerification },
  });
  // The service sets this member itself, because @simplewebauthn/server does not know `indirect`.
  return { ...options, attestation: policy.attestation };
}

/**
 * Computes how long the browser waits for the user: until the passkey can no longer be submitted. The default
 * of @simplewebauthn/server is one minute, too short to find a security key (WebAuthn Level 3 §15.1).
 *
 * @returns whole milliseconds, at least 1. For 0, browsers would use their own default.
 */
export function timeoutOf(row: Row, challengeLifeMs: number): number {
  const next = nextActionOf(row);
  const before = next.type === 'submit_authenticators' ? next.before : null;
  const leftMs = before ? Date.parse(before) - row.now.getTime() : challengeLifeMs;
  return Math.max(1, Math.floor(Math.min(leftMs, challengeLifeMs)));
}

/**
 * Computes the WebAuthn user handle. A user always has the same handle at an integration, because
 * authenticators would treat a new handle as another user. The handle reveals nothing about the user
 * (WebAuthn Level 3 §14.6.1): personal data enters `subjectKey` only as a keyed hash.
 */
function userHandleOf({ integration, subjectKey }: SubjectRef): Uint8Array<ArrayBuffer> {
  const digest = createHash('sha256').update(`gangway user handle\n${integration}\n${subjectKey}`).digest();
  return new Uint8Array(digest);
}
