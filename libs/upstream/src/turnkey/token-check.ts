import type { TurnkeyVerifier } from '#libs/signing';
import type { Contact } from './contact.js';
import { mustBe, proven, type SessionToken, type VerificationToken } from './proofs.js';

interface ExpectedSession {
  organizationId: string;
  publicKey: string;
}

/** What of Turnkey's answers its enclaves sign, checked against what was asked for. */
export class TokenCheck {
  constructor(
    private readonly verifier: TurnkeyVerifier,
    private readonly nowMs: () => number,
  ) {}

  /** @throws UpstreamError where the bundle is not the enclave's: a code encrypted to it would be read by another. */
  otpTarget(bundle: string) {
    return proven(() => this.verifier.otpTarget(bundle));
  }

  /**
   * @param expected the parent organization, the contact that the code went to, and the key that was encrypted with
   *   the code, where it was ours.
   */
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

  /** That of a device's login, which a repeat may be told of when it is over: its next request finds that out. */
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
