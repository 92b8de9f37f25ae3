import { createHash, createPublicKey, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { COMPRESSED_POINT, importCompressedPoint } from '../p256.js';
import { isLive } from './api-keys.js';
import { jsonObject, textIn } from './json-of.js';
import type { ApiKey, Member, TurnkeyOrganization } from './organizations.js';
import { refusals } from './refusals.js';
import { TurnkeyRefusal } from './turnkey-refusal.js';
import type { TurnkeyState } from './turnkey-state.js';
import type { VerificationToken } from './verification-tokens.js';

export interface Stamper extends Member {
  /** The token of `X-Stamp-Attested`, which allows only a login; null for other stamps. */
  token: VerificationToken | null;
}

/** `refusal` is null if the stamp is valid. */
export interface StampVerdict {
  pubkey: string | null;
  signatureOk: boolean;
  stamper: Stamper | null;
  refusal: TurnkeyRefusal | null;
}

/** Header names are in lower case. `organization` is the organization that the body names. */
export interface StampedRequest {
  headers: Record<string, string | string[] | undefined>;
  rawBody: Buffer;
  organization: TurnkeyOrganization;
  /**
   * Whether to search the sub-organizations for the key too. A login or `whoami` may name only the parent.
   */
  lookUpBelow: boolean;
}

interface Found {
  pubkey: string | null;
  stamper: Stamper;
  key: KeyObject;
  signed: Buffer;
  signature: Buffer;
  expired: boolean;
  wrong: () => TurnkeyRefusal;
}

/**
 * Checks a stamp, which covers only the body's bytes. Signatures are in DER, with a high or a low S.
 * - An API key stamps in `X-Stamp`: base64url of JSON, without padding.
 * - A passkey stamps in `X-Stamp-WebAuthn`: plain JSON.
 * - A verification token stamps in `X-Stamp-Attested`: base64url of JSON.
 */
export function checkStamp(request: StampedRequest, state: TurnkeyState): StampVerdict {
  let found: Found;
  try {
    found = find(request, state);
  } catch (error) {
    if (!(error instanceof TurnkeyRefusal)) throw error;
    const pubkey = textIn(fromBase64url(headerOf(request, 'x-stamp')), 'publicKey');
    return { pubkey, signatureOk: false, stamper: null, refusal: error };
  }
  const signatureOk = verify('sha256', found.signed, found.key, found.signature);
  const refusal = !signatureOk ? found.wrong() : found.expired ? refusals.keyExpired() : null;
  return { pubkey: found.pubkey, signatureOk, stamper: found.stamper, refusal };
}

function find(request: StampedRequest, state: TurnkeyState): Found {
  const [stamp, webauthn, attested] = ['x-stamp', 'x-stamp-webauthn', 'x-stamp-attested'].map((name) =>
    headerOf(request, name),
  );
  if (stamp != null) return findApiKey(fromBase64url(stamp), request, state);
  if (webauthn != null) return findPasskey(jsonObject(Buffer.from(webauthn)), request, state);
  if (attested != null) return findToken(fromBase64url(attested), request, state);
  throw refusals.stampMissing();
}

function findApiKey(stamp: unknown, request: StampedRequest, state: TurnkeyState): Found {
  const { publicKey, signature } = signatureOf(stamp, 'SIGNATURE_SCHEME_TK_API_P256');
  const { organization, rawBody, lookUpBelow } = request;
  const { organizations, clock } = state;
  const places = [organization, organizations.parent, ...(lookUpBelow ? organizations.subs() : [])];
  for (const place of places) {
    for (const user of place.users) {
      const key = user.apiKeys.find((one: ApiKey) => one.publicKey === publicKey);
      if (!key) continue;
      return {
        pubkey: publicKey,
        stamper: { organization: place, user, token: null },
        key: importCompressedPoint(publicKey),
        signed: rawBody,
        signature,
        expired: !isLive(key, clock.nowMs()),
        wrong: refusals.apiKeySignature,
      };
    }
  }
  throw refusals.keyNotFound();
}

/** The challenge is the body's SHA-256 as lower-case hex, taken as text (WebAuthn Level 3, 7.2). */
function findPasskey(stamp: unknown, request: StampedRequest, state: TurnkeyState): Found {
  const part = (name: string) => Buffer.from(textIn(stamp, name) ?? '', 'base64url');
  const [authenticatorData, clientDataJson] = [part('authenticatorData'), part('clientDataJson')];
  const clientData = jsonObject(clientDataJson);
  const credentialId = textIn(stamp, 'credentialId');
  if (credentialId === null || clientData === null || authenticatorData.length < 37) {
    throw refusals.stampMalformed();
  }
  const passkey = state.passkeys.find(credentialId);
  const places = [request.organization, ...(request.lookUpBelow ? state.organizations.subs() : [])];
  const members = places.flatMap((organization) =>
    organization.users.map((user) => ({ organization, user })),
  );
  const member = members.find(({ user }) => user.userId === passkey?.userId);
  if (!passkey || !member) throw refusals.stampingAuthenticatorNotFound();

  const challenge = Buffer.from(createHash('sha256').update(request.rawBody).digest('hex')).toString(
    'base64url',
  );
  const present = (authenticatorData.readUInt8(32) & 1) === 1;
  if (clientData['type'] !== 'webauthn.get' || clientData['challenge'] !== challenge || !present) {
    throw refusals.webauthnSignature();
  }
  const spki = Buffer.from(passkey.publicKeySpki, 'base64url');
  return {
    pubkey: null,
    stamper: { ...member, token: null },
    key: createPublicKey({ key: spki, format: 'der', type: 'spki' }),
    signed: Buffer.concat([authenticatorData, createHash('sha256').update(clientDataJson).digest()]),
    signature: part('signature'),
    expired: false,
    wrong: refusals.webauthnSignature,
  };
}

function findToken(stamp: unknown, { rawBody, organization }: StampedRequest, state: TurnkeyState): Found {
  const { publicKey, signature } = signatureOf(stamp, 'STAMP_ATTESTED_SCHEME_P256_VERIFICATION_TOKEN');
  const token = state.tokens.require(textIn(stamp, 'publicKeyAttestation') ?? '', 'login');
  if (token.publicKey !== publicKey) throw refusals.keyNotFound();
  const user = state.organizations.ownerIn(organization, token.contact);
  if (!user) throw refusals.contactUnknown();
  return {
    pubkey: publicKey,
    stamper: { organization, user, token },
    key: importCompressedPoint(publicKey),
    signed: rawBody,
    signature,
    expired: false,
    wrong: refusals.apiKeySignature,
  };
}

function signatureOf(stamp: unknown, scheme: string): { publicKey: string; signature: Buffer } {
  const publicKey = textIn(stamp, 'publicKey');
  const signature = textIn(stamp, 'signature');
  const good =
    publicKey !== null &&
    COMPRESSED_POINT.test(publicKey) &&
    signature !== null &&
    /^(?:[0-9a-fA-F]{2})+$/.test(signature) &&
    textIn(stamp, 'scheme') === scheme;
  if (!good) throw refusals.stampMalformed();
  return { publicKey, signature: Buffer.from(signature, 'hex') };
}

function fromBase64url(text: string | null): Record<string, unknown> | null {
  return text !== null && /^[A-Za-z0-9_-]+$/.test(text) ? jsonObject(Buffer.from(text, 'base64url')) : null;
}

function headerOf({ headers }: StampedRequest, name: string): string | null {
  const value = headers[name];
  return typeof value === 'string' && value !== '' ? value : null;
}
