import { createHash } from 'node:crypto';
import {
  generateRegistrationOptions,
  type PublicKeyCredentialCreationOptionsJSON,
} from '@simplewebauthn/server';
import { nextActionOf, type Row, type SubjectRef } from '#libs/onboarding';
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
  /** Whole milliseconds, see {@link timeoutOf}. */
  timeout: number;
}

/** @returns what `navigator.credentials.create` takes: of the policy, what one can ask a browser for. */
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
  // By itself, as the library does not know `indirect`.
  return { ...options, attestation: policy.attestation };
}

/**
 * How long a browser may ask its user: as long as what comes of it could be handed in. The library's minute would be too short
 * for who looks for a security key (WebAuthn Level 3 §15.1).
 *
 * @param row that takes passkeys now.
 * @param challengeLifeMs of a challenge that is issued now.
 * @returns whole milliseconds, at least 1: browsers take their own default for less.
 */
export function timeoutOf(row: Row, challengeLifeMs: number): number {
  const next = nextActionOf(row);
  const before = next.type === 'submit_authenticators' ? next.before : null;
  const leftMs = before ? Date.parse(before) - row.now.getTime() : challengeLifeMs;
  return Math.max(1, Math.floor(Math.min(leftMs, challengeLifeMs)));
}

/**
 * The user's `user.id`: stable for ever, or an authenticator would take the subject for another, and without a
 * meaning of its own (WebAuthn Level 3 §14.6.1).
 */
function userHandleOf({ integration, subjectKey }: SubjectRef): Uint8Array<ArrayBuffer> {
  const digest = createHash('sha256').update(`gangway user handle\n${integration}\n${subjectKey}`).digest();
  return new Uint8Array(digest);
}
