import { timestamp } from './activities.js';
import { authenticatorKeyHex } from './authenticator-key.js';
import type { ApiKey, TurnkeyUser } from './organizations.js';
import type { StoredAuthenticator } from '../webauthn/authenticators.js';

export function userOnTheWire(user: TurnkeyUser, passkeys: readonly StoredAuthenticator[]): object {
  const { userId, userName, contacts, apiKeys, createdAtMs } = user;
  const contactOf = (channel: string) => contacts.find((contact) => contact.channel === channel)?.value;
  const [userEmail, userPhoneNumber] = [contactOf('email'), contactOf('sms')];
  return {
    userId,
    userName,
    ...(userEmail !== undefined && { userEmail }),
    ...(userPhoneNumber !== undefined && { userPhoneNumber }),
    authenticators: passkeys.map(authenticatorOnTheWire),
    apiKeys: apiKeys.map(apiKeyOnTheWire),
    userTags: [],
    oauthProviders: [],
    mfaPolicies: [],
    createdAt: timestamp(createdAtMs),
    updatedAt: timestamp(createdAtMs),
  };
}

export function authenticatorOnTheWire(passkey: StoredAuthenticator): object {
  const at = timestamp(Date.parse(passkey.createdAt));
  return {
    transports: passkey.transports,
    attestationType: passkey.format,
    aaguid: passkey.aaguid,
    credentialId: passkey.credentialId,
    model: '',
    credential: { publicKey: authenticatorKeyHex(passkey), type: 'CREDENTIAL_TYPE_WEBAUTHN_AUTHENTICATOR' },
    authenticatorId: passkey.authenticatorId,
    authenticatorName: passkey.authenticatorName,
    createdAt: at,
    updatedAt: at,
  };
}

function apiKeyOnTheWire({ apiKeyId, name, type, publicKey, createdAtMs, expiresAtMs }: ApiKey): object {
  const at = timestamp(createdAtMs);
  return {
    credential: { publicKey, type: `CREDENTIAL_TYPE_${type}` },
    apiKeyId,
    apiKeyName: name,
    createdAt: at,
    updatedAt: at,
    ...(expiresAtMs !== null && { expirationSeconds: String(Math.ceil((expiresAtMs - createdAtMs) / 1000)) }),
  };
}
