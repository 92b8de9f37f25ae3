import type { Outcome } from '../outcome.js';
import { verifyAttestation } from '../webauthn/attestation.js';
import type { NewAuthenticator } from '../webauthn/authenticators.js';
import type { AuthenticatorInput } from './credential.dto.js';
import type { Member } from './organizations.js';
import { refusals } from './refusals.js';
import type { TurnkeyState } from './turnkey-state.js';

export class PasskeyOperations {
  constructor(private readonly state: TurnkeyState) {}

  /** Adds all of the passkeys or none. */
  create(member: Member, inputs: readonly AuthenticatorInput[]): Outcome<{ authenticatorIds: string[] }> {
    if (inputs.length === 0) throw refusals.noAuthenticators();
    const { passkeys, clock } = this.state;
    const stored = passkeys.register(ownerOf(member), this.verified(inputs), clock.nowMs());
    const authenticatorIds = stored.map(({ authenticatorId }) => authenticatorId);
    const credentialIds = stored.map(({ credentialId }) => credentialId);
    return {
      answer: { authenticatorIds },
      effect: { type: 'authenticators_created', authenticatorIds, credentialIds },
    };
  }

  /** Removes all of the passkeys or none. */
  remove({ user }: Member, authenticatorIds: string[]): Outcome<{ authenticatorIds: string[] }> {
    const { passkeys } = this.state;
    const own = new Set(passkeys.list(user.userId).map(({ authenticatorId }) => authenticatorId));
    if (!authenticatorIds.every((id) => own.has(id))) throw refusals.authenticatorNotFound();
    passkeys.remove(user.userId, authenticatorIds);
    return { answer: { authenticatorIds }, effect: { type: 'authenticators_deleted', authenticatorIds } };
  }

  /** @throws TurnkeyRefusal 400 for an invalid attestation */
  verified(inputs: readonly AuthenticatorInput[]): NewAuthenticator[] {
    return inputs.map(({ authenticatorName, challenge, attestation }) => {
      try {
        const credential = verifyAttestation({ challenge, ...attestation }, this.state.relyingParty);
        return { authenticatorName, transports: attestation.transports, credential };
      } catch (error) {
        throw refusals.invalidAttestation((error as Error).message);
      }
    });
  }
}

/** At Turnkey, `accountId` is the id of the sub-organization. */
const ownerOf = ({ organization, user }: Member) => ({
  accountId: organization.organizationId,
  userId: user.userId,
});
