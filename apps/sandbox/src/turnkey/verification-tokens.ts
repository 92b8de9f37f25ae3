import { randomUUID } from 'node:crypto';
import type { P256KeyPair } from '../p256.js';
import type { SandboxClock } from '../sandbox-clock.js';
import { mintJwt, readJwt } from './jwt.js';
import { refusals } from './refusals.js';

/** A token that proves that its holder gave a correct code. */
export interface VerificationToken {
  /** The claim `id`, to which a client signature refers. */
  tokenId: string;
  /** The organization that asked for the code. A sub-organization's token is valid only there. */
  organizationId: string;
  contact: string;
  /** The key to which the token is bound, compressed SEC1 hex. Null only in the activity's first version. */
  publicKey: string | null;
  expiresAtMs: number;
  /** Whether the code was sent encrypted, as the newer activities require. */
  encrypted: boolean;
  usedFor: Set<'login' | 'signup'>;
}

/** How long at least an expired token is refused as expired. Later, it is invalid. */
const REMEMBERED_MS = 60 * 60_000;

/** ES256 JWTs, each valid for one login and one signup. */
export class VerificationTokens {
  readonly #tokens = new Map<string, VerificationToken>();

  constructor(
    private readonly signer: P256KeyPair,
    private readonly clock: SandboxClock,
  ) {}

  /** @returns the JWT; its `exp` is a string of milliseconds since the Unix epoch */
  mint(grant: Omit<VerificationToken, 'tokenId' | 'usedFor'> & { otpType: string }): string {
    this.#forgetOld();
    const { otpType, ...rest } = grant;
    const token: VerificationToken = { tokenId: randomUUID(), ...rest, usedFor: new Set() };
    this.#tokens.set(token.tokenId, token);
    const claims = {
      exp: String(token.expiresAtMs),
      id: token.tokenId,
      organization_id: token.organizationId,
      verification_type: otpType,
      contact: token.contact,
      ...(token.publicKey !== null && { public_key: token.publicKey }),
    };
    return mintJwt(claims, this.signer);
  }

  /** For the journal: finds a token even if it is no longer valid. */
  peek(jwt: string): VerificationToken | null {
    const id = readJwt(jwt, this.signer)?.['id'];
    return (typeof id === 'string' && this.#tokens.get(id)) || null;
  }

  /** @throws TurnkeyRefusal 400 for a token that is invalid, expired or already used */
  require(jwt: string, use?: 'login' | 'signup'): VerificationToken {
    const token = this.peek(jwt);
    if (!token) throw refusals.tokenInvalid();
    if (token.expiresAtMs <= this.clock.nowMs()) throw refusals.tokenExpired();
    if (use !== undefined && token.usedFor.has(use)) throw refusals.tokenUsed();
    return token;
  }

  reset(): void {
    this.#tokens.clear();
  }

  #forgetOld(): void {
    const horizon = this.clock.nowMs() - REMEMBERED_MS;
    for (const [id, { expiresAtMs }] of this.#tokens) {
      if (expiresAtMs > horizon) return;
      this.#tokens.delete(id);
    }
  }
}
