import type { TurnkeyVerifier } from '#libs/signing';
import type { Contact } from './contact.js';
import { mustBe, proven, type SessionToken, type VerificationToken } from './proofs.js';

interface ExpectedSession {
  organizationId: string;
  publicKey: string;
}

/** Checks the parts of Turnkey's answers that its enclaves sign, against the request. */
export class TokenCheck {
  constructor(
    private readonly verifier: TurnkeyVerifier,
    private readonly nowMs: () => number,
  ) {}

  /**
   * @throws UpstreamError if the bundle is not the enclave's: another party could read a code encrypted to
   *   it.
   */
  otpTarget(bundle: string) {
    return proven(() => this.verifier.otpTarget(bundle));
  }

  /**
   * @param expected the parent organization, and the contact that got the code. Also the public key that
   *   was encrypted with the code, if it is ours.
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

  /**
   * The token of a device's login. A repeat may get it after it has expired. The next request will show
   * that.
   */
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
