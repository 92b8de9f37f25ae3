import type { TurnkeyVerifier } from '#libs/signing';
import type { Contact } from './contact.js';
import { mustBe, proven, type SessionToken, type VerificationToken } from './proofs.js';

interface ExpectedSession {
  organizationId: string;
  publicKey: string;
}

/** Checks texts that Turnkey's enclaves have signed, and compares them with the request. */
export class TokenCheck {
  constructor(
    private readonly verifier: TurnkeyVerifier,
    private readonly nowMs: () => number,
  ) {}

  /** @throws UpstreamError if the enclave has not signed the bundle, because an attacker may have made it. */
  otpTarget(bundle: string) {
    return proven(() => this.verifier.otpTarget(bundle));
  }

  verification(
    token: string,
    expected: { organizationId: string; contact: Contact; publicKey?: string },
  ): VerificationToken {
    const read = proven(() => this.verifier.verificationToken(token, this.nowMs()));
    mustBe(read.organizationId === expected.organizationId, 'a token of another organization');
    mustBe(read.contact.toLowerCase() === expected.contact.value, 'a token for another contact');
    mustBe(!expected.publicKey || read.publicKey === expected.publicKey, 'a token for another key');
    return read;
  }

  session(token: string, expected: ExpectedSession): SessionToken {
    return this.#session(token, expected, this.nowMs());
  }

  /** Accepts an expired session, because a repeated login may return one. The next request fails then. */
  deviceSession(token: string, expected: ExpectedSession): SessionToken {
    return this.#session(token, expected, 0);
  }

  #session(token: string, expected: ExpectedSession, nowMs: number): SessionToken {
    const read = proven(() => this.verifier.sessionToken(token, nowMs));
    mustBe(read.publicKey === expected.publicKey, 'a session of another key');
    mustBe(read.organizationId === expected.organizationId, 'a session in another organization');
    return read;
  }
}
