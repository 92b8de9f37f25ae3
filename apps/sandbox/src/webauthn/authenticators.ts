import { randomUUID } from 'node:crypto';
import type { Refusal } from '../refusal.js';
import type { VerifiedCredential } from './attestation.js';

/** Turnkey's limit. The sandbox assumes the same limit for Byzantine. */
export const AUTHENTICATORS_PER_USER = 10;

/** The public key is SPKI, DER, base64url. */
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

export interface NewAuthenticator {
  authenticatorName: string;
  transports: string[];
  credential: VerifiedCredential;
}

/** How the upstream refuses passkeys that cannot be stored. */
export interface AuthenticatorRefusals {
  credentialRegistered(): Refusal;
  tooManyAuthenticators(): Refusal;
}

/** A credential id is unique across all users of an upstream. */
export class Authenticators {
  readonly #byUser = new Map<string, StoredAuthenticator[]>();
  readonly #byCredentialId = new Map<string, StoredAuthenticator>();

  constructor(private readonly refusals: AuthenticatorRefusals) {}

  /**
   * Stores all passkeys or none.
   *
   * @throws Refusal for a credential that is registered or given twice, and for too many passkeys
   */
  register(
    subject: { accountId: string; userId: string },
    additions: NewAuthenticator[],
    nowMs: number,
  ): StoredAuthenticator[] {
    const own = this.#byUser.get(subject.userId) ?? [];
    const ids = additions.map(({ credential }) => credential.credentialId);
    if (new Set(ids).size < ids.length || ids.some((id) => this.#byCredentialId.has(id))) {
      throw this.refusals.credentialRegistered();
    }
    if (own.length + additions.length > AUTHENTICATORS_PER_USER) {
      throw this.refusals.tooManyAuthenticators();
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
    for (const one of stored) this.#byCredentialId.set(one.credentialId, one);
    return stored;
  }

  /** In order of registration; without `userId`, the passkeys of all users. */
  list(userId?: string): StoredAuthenticator[] {
    return userId === undefined ? [...this.#byUser.values()].flat() : (this.#byUser.get(userId) ?? []);
  }

  /** `credentialId` is base64url without padding. */
  find(credentialId: string): StoredAuthenticator | undefined {
    return this.#byCredentialId.get(credentialId);
  }

  remove(userId: string, authenticatorIds: readonly string[]): void {
    const own = this.list(userId);
    this.#byUser.set(
      userId,
      own.filter(({ authenticatorId }) => !authenticatorIds.includes(authenticatorId)),
    );
    for (const { authenticatorId, credentialId } of own) {
      if (authenticatorIds.includes(authenticatorId)) this.#byCredentialId.delete(credentialId);
    }
  }

  reset(): void {
    this.#byUser.clear();
    this.#byCredentialId.clear();
  }
}
