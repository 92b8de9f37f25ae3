import { randomUUID } from 'node:crypto';
import type { Refusal } from '../refusal.js';
import type { VerifiedCredential } from './attestation.js';

/**
 * The maximum number of authenticators per user. This is Turnkey's limit, and the sandbox assumes the same
 * limit for Byzantine.
 */
export const AUTHENTICATORS_PER_USER = 10;

/** A stored passkey. Its public key is SPKI, DER, base64url. */
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

/** The refusals, in the form of the upstream, for passkeys that cannot be stored. */
export interface AuthenticatorRefusals {
  credentialRegistered(): Refusal;
  tooManyAuthenticators(): Refusal;
}

/** The registered passkeys of one upstream. A credential id is unique across all its users. */
export class Authenticators {
  readonly #byUser = new Map<string, StoredAuthenticator[]>();
  readonly #byCredentialId = new Map<string, StoredAuthenticator>();

  constructor(private readonly refusals: AuthenticatorRefusals) {}

  /**
   * Stores all passkeys or none.
   *
   * @param nowMs the instant of creation, in milliseconds since the Unix epoch
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

  /** Lists a user's passkeys in order of registration; without `userId`, the passkeys of all users. */
  list(userId?: string): StoredAuthenticator[] {
    return userId === undefined ? [...this.#byUser.values()].flat() : (this.#byUser.get(userId) ?? []);
  }

  /** Finds the passkey with this credential id (base64url without padding), of any user. */
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
