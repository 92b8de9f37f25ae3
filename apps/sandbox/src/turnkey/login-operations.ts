import type { Outcome } from '../outcome.js';
import { registerSessionKey } from './api-keys.js';
import { checkClientSignature } from './client-signature.js';
import type { ClientSignature } from './client-signature.js';
import { mintDoubleHashedJwt } from './jwt.js';
import type { Member, TurnkeyOrganization } from './organizations.js';
import { refusals } from './refusals.js';
import type { TurnkeyState } from './turnkey-state.js';
import type { VerificationToken } from './verification-tokens.js';

export interface SessionOrder {
  /** Stamps the requests of this session; compressed SEC1 hex. */
  publicKey: string;
  lifeMs: number;
  invalidateExisting: boolean;
  sessionProfileId?: string | undefined;
}

export interface TokenLogin extends SessionOrder {
  verificationToken: string;
  clientSignature?: ClientSignature | undefined;
  /** Null: the sub-organization of the token's contact. */
  organization: TurnkeyOrganization | null;
  /** Whether to accept only tokens for an encrypted code. */
  encryptedOnly: boolean;
}

/** Each login registers a key that may stamp the user's requests until it expires. */
export class LoginOperations {
  constructor(private readonly state: TurnkeyState) {}

  /** Each token is valid for one login. */
  byToken(login: TokenLogin): Outcome<{ session: string }> {
    const token = this.state.tokens.require(login.verificationToken, 'login');
    if (login.encryptedOnly && !token.encrypted) throw refusals.tokenGeneration();
    checkClientSignature(login.clientSignature, token, 'USAGE_TYPE_LOGIN', [
      { login: { publicKey: login.publicKey } },
    ]);
    const member = this.#memberOf(token, login.organization);
    token.usedFor.add('login');
    return this.byStamp(member, login, null);
  }

  /**
   * @param token the verification token of `X-Stamp-Attested`, which the login uses up; null for other stamps
   */
  byStamp(
    member: Member,
    order: SessionOrder,
    token: VerificationToken | null,
  ): Outcome<{ session: string }> {
    token?.usedFor.add('login');
    const { clock, keys } = this.state;
    const { organization, user } = member;
    const { publicKey, lifeMs, invalidateExisting, sessionProfileId } = order;
    const now = clock.nowMs();
    // The claim `exp` has whole seconds. The key expires at the same rounded time.
    const exp = Math.floor((now + lifeMs) / 1000);
    registerSessionKey(user, { publicKey, expiresAtMs: exp * 1000, invalidateExisting }, now);
    const session = mintDoubleHashedJwt(
      {
        exp,
        public_key: publicKey,
        session_type: 'SESSION_TYPE_READ_WRITE',
        user_id: user.userId,
        organization_id: organization.organizationId,
        ...(sessionProfileId !== undefined && { session_profile_id: sessionProfileId }),
      },
      keys.notarizer,
    );
    const ids = { organizationId: organization.organizationId, userId: user.userId };
    const expiresAt = new Date(exp * 1000).toISOString();
    return { answer: { session }, effect: { type: 'session_opened', ...ids, expiresAt } };
  }

  /**
   * A token that the parent requested is valid in every sub-organization. Any other token is valid only in
   * the sub-organization that requested it.
   */
  #memberOf(token: VerificationToken, wanted: TurnkeyOrganization | null): Member {
    const { organizations } = this.state;
    if (!wanted) {
      const [owner] = organizations.owners(token.contact);
      if (!owner) throw refusals.contactUnknown();
      return owner;
    }
    const ids = [wanted.organizationId, wanted.parentId];
    if (!ids.includes(token.organizationId)) {
      throw refusals.organizationMismatch(wanted.organizationId, token.organizationId);
    }
    const user = organizations.ownerIn(wanted, token.contact);
    if (!user) throw refusals.contactUnknown();
    return { organization: wanted, user };
  }
}
