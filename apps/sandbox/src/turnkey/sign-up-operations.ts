import { randomBytes, randomUUID } from 'node:crypto';
import type { Outcome } from '../outcome.js';
import { COMPRESSED_POINT } from '../p256.js';
import { newApiKey } from './api-keys.js';
import { checkClientSignature } from './client-signature.js';
import type { ClientSignature } from './client-signature.js';
import type { ApiKeyInput } from './credential.dto.js';
import { normalContact } from './organizations.js';
import type { ApiKey, NewUser } from './organizations.js';
import type { PasskeyOperations } from './passkey-operations.js';
import { refusals } from './refusals.js';
import type { RootUser, Wallet } from './sign-up.dto.js';
import type { TurnkeyState } from './turnkey-state.js';
import type { VerificationToken } from './verification-tokens.js';

export interface SignUp {
  name: string;
  rootUsers: readonly RootUser[];
  verificationToken?: string | undefined;
  clientSignature?: ClientSignature | undefined;
  wallet?: Wallet | undefined;
  /** Whether to accept only tokens for an encrypted code, and only client signatures over `signupV2`. */
  encryptedOnly: boolean;
}

export interface SignedUp {
  organizationId: string;
  userIds: string[];
  wallet?: { walletId: string; addresses: string[] };
}

/** Creates a sub-organization with its root users and their passkeys, or nothing if one part is refused. */
export class SignUpOperations {
  constructor(
    private readonly state: TurnkeyState,
    private readonly passkeys: PasskeyOperations,
  ) {}

  signUp(order: SignUp): Outcome<SignedUp> {
    const token = this.#tokenOf(order);
    const { organizations, clock, passkeys } = this.state;
    const now = clock.nowMs();
    const users = order.rootUsers.map((input) => toUser(input, token, now));
    const additions = order.rootUsers.map(({ authenticators }) => this.passkeys.verified(authenticators));

    const organizationId = randomUUID();
    const registered: [string, string[]][] = [];
    try {
      for (const [index, user] of users.entries()) {
        const stored = passkeys.register(
          { accountId: organizationId, userId: user.userId },
          additions[index] ?? [],
          now,
        );
        registered.push([user.userId, stored.map(({ authenticatorId }) => authenticatorId)]);
      }
    } catch (error) {
      for (const [userId, ids] of registered) passkeys.remove(userId, ids);
      throw error;
    }
    organizations.addSub({ organizationId, name: order.name, users });
    token?.usedFor.add('signup');

    const userIds = users.map(({ userId }) => userId);
    const answer = { organizationId, userIds, ...(order.wallet && { wallet: makeWallet(order.wallet) }) };
    return { answer, effect: { type: 'sub_organization_created', organizationId, userId: userIds[0] } };
  }

  /** The token and the client signature must belong to the first root user. */
  #tokenOf(order: SignUp): VerificationToken | null {
    if (order.verificationToken === undefined) return null;
    const token = this.state.tokens.require(order.verificationToken, 'signup');
    if (order.encryptedOnly && !token.encrypted) throw refusals.tokenGeneration();
    const [user] = order.rootUsers;
    const { apiKeys, authenticators, oauthProviders, userEmail, userPhoneNumber } = user as RootUser;
    const usage = {
      apiKeys,
      authenticators,
      oauthProviders,
      ...(userEmail !== undefined && { email: userEmail }),
      ...(userPhoneNumber !== undefined && { phoneNumber: userPhoneNumber }),
    };
    const usages = [{ signupV2: usage }, ...(order.encryptedOnly ? [] : [{ signup: usage }])];
    checkClientSignature(order.clientSignature, token, 'USAGE_TYPE_SIGNUP', usages);
    if (![userEmail, userPhoneNumber].some((contact) => contact !== undefined && isOf(token, contact))) {
      throw refusals.contactMismatch();
    }
    return token;
  }
}

function toUser(input: RootUser, token: VerificationToken | null, nowMs: number): NewUser {
  const contact = (channel: 'email' | 'sms', value: string | undefined) =>
    value === undefined ? [] : [{ channel, value, verified: token !== null && isOf(token, value) }];
  return {
    userId: randomUUID(),
    userName: input.userName,
    contacts: [...contact('email', input.userEmail), ...contact('sms', input.userPhoneNumber)],
    apiKeys: input.apiKeys.filter(({ curveType }) => curveType === 'API_KEY_CURVE_P256').map(toApiKey),
  };

  function toApiKey({ apiKeyName: name, publicKey, expirationSeconds }: ApiKeyInput): ApiKey {
    if (!COMPRESSED_POINT.test(publicKey))
      throw refusals.badRequest('apiKeys: a compressed P-256 key in hex');
    const expiresAtMs = expirationSeconds === undefined ? null : nowMs + Number(expirationSeconds) * 1000;
    return newApiKey({ publicKey, name, type: 'API_KEY_P256', createdAtMs: nowMs, expiresAtMs });
  }
}

const isOf = (token: VerificationToken, contact: string) =>
  normalContact(token.contact) === normalContact(contact);

/** Random addresses without keys, for callers that only show or store addresses. */
function makeWallet({ accounts }: Wallet): { walletId: string; addresses: string[] } {
  return { walletId: randomUUID(), addresses: accounts.map(() => `0x${randomBytes(20).toString('hex')}`) };
}
