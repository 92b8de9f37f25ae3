import { randomUUID } from 'node:crypto';
import { Refusal } from '../refusal.js';
import type { VerifiedCredential } from './attestation.js';
import { errorTexts } from './error-texts.js';
import type { Subject } from './subjects.js';

/** Authenticators a user may have: Turnkey's cap, assumed to hold above it. */
export const AUTHENTICATORS_PER_USER = 10;

/** A passkey as stored; its public key is SPKI, DER, base64url. */
export interface StoredAuthenticator extends Omit<VerifiedCredential, 'publicKey'> {
  authenticatorId: string;
  accountId: string;
  userId: string;
  authenticatorName: string;
  transports: string[];
  publicKeySpki: string;
  /** ISO 8601, UTC. */
  createdAt: string;
}

/** A passkey whose attestation was checked, with what its owner calls it. */
export interface NewAuthenticator {
  authenticatorName: string;
  transports: string[];
  credential: VerifiedCredential;
}

/** The registered passkeys: a credential id is unique across all users. */
export class Authenticators {
  readonly #byUser = new Map<string, StoredAuthenticator[]>();
  readonly #credentialIds = new Set<string>();

  /**
   * Stores all of them or none.
   *
   * @param nowMs the instant of creation, in milliseconds since the Unix epoch
   * @throws Refusal 400 for a credential that is registered already or given twice, and for too many
   */
  register(subject: Subject, additions: NewAuthenticator[], nowMs: number): StoredAuthenticator[] {
    const own = this.#byUser.get(subject.userId) ?? [];
    const ids = additions.map(({ credential }) => credential.credentialId);
    if (new Set(ids).size < ids.length || ids.some((id) => this.#credentialIds.has(id))) {
      throw new Refusal(400, errorTexts.credentialRegistered);
    }
    if (own.length + additions.length > AUTHENTICATORS_PER_USER) {
      throw new Refusal(400, errorTexts.tooManyAuthenticators);
    }

    const stored = additions.map(({ authenticatorName, transports, credential }) => {
      const { publicKey, ...facts } = credential;
      return {
        authenticatorId: randomUUID(),
        accountId: subject.accountId,
        userId: subject.userId,
        authenticatorName,
        transports,
        ...facts,
        publicKeySpki: publicKey.export({ type: 'spki', format: 'der' }).toString('base64url'),
        createdAt: new Date(nowMs).toISOString(),
      };
    });
    this.#byUser.set(subject.userId, [...own, ...stored]);
    for (const id of ids) this.#credentialIds.add(id);
    return stored;
  }

  /** A user's passkeys in order of registration; everybody's without `userId`. */
  list(userId?: string): StoredAuthenticator[] {
    return userId === undefined ? [...this.#byUser.values()].flat() : (this.#byUser.get(userId) ?? []);
  }

  reset(): void {
    this.#byUser.clear();
    this.#credentialIds.clear();
  }
}
