import type { Mailbox } from '../control/mailbox.js';
import type { SandboxClock } from '../sandbox-clock.js';
import type { RelyingParty } from '../webauthn/attestation.js';
import { Authenticators } from '../webauthn/authenticators.js';
import type { EnclaveKeys } from './enclave-keys.js';
import { Organizations } from './organizations.js';
import type { ParentOrganization } from './organizations.js';
import { OtpCodes } from './otp-codes.js';
import { refusals } from './refusals.js';
import { VerificationTokens } from './verification-tokens.js';

export class TurnkeyState {
  readonly organizations: Organizations;
  readonly passkeys = new Authenticators(refusals);
  readonly codes: OtpCodes;
  readonly tokens: VerificationTokens;

  constructor(
    parent: ParentOrganization,
    acceptAny: boolean,
    readonly relyingParty: RelyingParty,
    readonly keys: EnclaveKeys,
    readonly clock: SandboxClock,
    readonly mailbox: Mailbox,
  ) {
    this.organizations = new Organizations(parent, acceptAny, clock);
    this.codes = new OtpCodes(clock);
    this.tokens = new VerificationTokens(keys.signer, clock);
  }

  reset(): void {
    for (const part of [this.organizations, this.passkeys, this.codes, this.tokens]) part.reset();
  }
}
