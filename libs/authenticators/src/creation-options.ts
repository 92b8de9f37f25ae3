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
  /** The subject's passkeys. An authenticator that has one of them makes no further passkey. */
  known: readonly string[];
  /** Whole milliseconds, see {@link timeoutOf}. */
  timeout: number;
}

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
  // @simplewebauthn/server does not know `indirect`.
  return { ...options, attestation: policy.attestation };
}

/**
 * The browser waits for the user until the passkey can no longer be submitted. The library's default, one
 * minute, is too short to find a security key (WebAuthn Level 3 §15.1).
 *
 * @returns whole milliseconds, at least 1, because 0 would mean the browser's default
 */
export function timeoutOf(row: Row, challengeLifeMs: number): number {
  const next = nextActionOf(row);
  const before = next.type === 'submit_authenticators' ? next.before : null;
  const leftMs = before ? Date.parse(before) - row.now.getTime() : challengeLifeMs;
  return Math.max(1, Math.floor(Math.min(leftMs, challengeLifeMs)));
}

/**
 * Always the same for a user at an integration, because authenticators treat a new handle as another user.
 * Reveals nothing about the user (WebAuthn Level 3 §14.6.1): `subjectKey` contains personal data only as a
 * keyed hash.
 */
function userHandleOf({ integration, subjectKey }: SubjectRef): Uint8Array<ArrayBuffer> {
  const digest = createHash('sha256').update(`gangway user handle\n${integration}\n${subjectKey}`).digest();
  return new Uint8Array(digest);
}
