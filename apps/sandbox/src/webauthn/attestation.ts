import { createHash, verify, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { decode, encode } from 'cborg';
import { parseAuthenticatorData } from './authenticator-data.js';
import { importCoseKey } from './cose-key.js';
import type { CoseAlgorithm } from './cose-key.js';

/** A new passkey's attestation, in base64url without padding. */
export interface AttestationInput {
  challenge: string;
  credentialId: string;
  clientDataJson: string;
  attestationObject: string;
}

/** The relying party that a registration must be for. The upstreams do not document this check. */
export interface RelyingParty {
  rpId?: string | undefined;
  origins?: readonly string[] | undefined;
}

export interface VerifiedCredential {
  /** base64url without padding. */
  credentialId: string;
  algorithm: CoseAlgorithm;
  publicKey: KeyObject;
  aaguid: string;
  signCount: number;
  userVerified: boolean;
  backupEligible: boolean;
  backedUp: boolean;
  format: 'none' | 'packed';
}

/**
 * Verifies a registration (WebAuthn Level 3, 7.1). The challenge must equal the challenge in the client data,
 * as Byzantine and Turnkey require.
 *
 * @throws Error that says which check failed
 */
export function verifyAttestation(input: AttestationInput, relyingParty: RelyingParty): VerifiedCredential {
  const clientDataJson = fromBase64url(input.clientDataJson, 'clientDataJson');
  checkClientData(clientDataJson, input.challenge, relyingParty.origins);

  const { format, statement, authData } = parseAttestationObject(
    fromBase64url(input.attestationObject, 'attestationObject'),
  );
  const data = parseAuthenticatorData(authData);
  if (relyingParty.rpId !== undefined && !data.rpIdHash.equals(sha256(Buffer.from(relyingParty.rpId)))) {
    throw new Error('relying party id does not match');
  }
  if (!data.flags.userPresent) throw new Error('user was not present');
  const named = fromBase64url(input.credentialId, 'credentialId');
  // Byzantine documents the credential id as "CBOR encoded", but accepts the raw id too.
  if (![data.credentialId, encode(data.credentialId)].some((form) => named.equals(form))) {
    throw new Error('credentialId is not the one in the authenticator data');
  }
  const { algorithm, publicKey } = importCoseKey(data.cosePublicKey);

  if (format === 'packed') {
    const signed = Buffer.concat([authData, sha256(clientDataJson)]);
    checkPackedStatement(statement, signed, algorithm, publicKey);
  } else if (statement.size > 0) {
    throw new Error('attestation statement of format none is not empty');
  }

  return {
    credentialId: data.credentialId.toString('base64url'),
    algorithm,
    publicKey,
    aaguid: data.aaguid,
    signCount: data.signCount,
    userVerified: data.flags.userVerified,
    backupEligible: data.flags.backupEligible,
    backedUp: data.flags.backedUp,
    format,
  };
}

function checkClientData(json: Buffer, challenge: string, origins?: readonly string[]): void {
  let clientData: { type?: unknown; challenge?: unknown; origin?: unknown } | null;
  try {
    clientData = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(json)) as typeof clientData;
  } catch (cause) {
    throw new Error('clientDataJson is not JSON', { cause });
  }
  if (clientData?.type !== 'webauthn.create') throw new Error('client data type is not webauthn.create');
  if (clientData.challenge !== challenge) throw new Error('challenge does not match the client data');
  if (typeof clientData.origin !== 'string') throw new Error('client data has no origin');
  if (origins && !origins.includes(clientData.origin)) throw new Error('origin is not allowed');
}

interface AttestationObject {
  format: 'none' | 'packed';
  statement: Map<unknown, unknown>;
  authData: Buffer;
}

function parseAttestationObject(bytes: Buffer): AttestationObject {
  let decoded: unknown;
  try {
    decoded = decode(bytes, { useMaps: true, rejectDuplicateMapKeys: true });
  } catch (cause) {
    throw new Error('attestationObject is not CBOR', { cause });
  }
  if (!(decoded instanceof Map)) throw new Error('attestationObject is not a CBOR map');
  const [format, statement, authData] = ['fmt', 'attStmt', 'authData'].map(
    (name) => decoded.get(name) as unknown,
  );
  if (!(statement instanceof Map)) throw new Error('attestationObject has no attStmt');
  if (!(authData instanceof Uint8Array)) throw new Error('attestationObject has no authData');
  if (format !== 'none' && format !== 'packed') {
    throw new Error(`attestation format ${String(format)} is not supported by the sandbox`);
  }
  return { format, statement, authData: Buffer.from(authData) };
}

/**
 * WebAuthn Level 3, 8.2: the signature is by the certificate's key or, without a certificate, the
 * credential's own.
 */
function checkPackedStatement(
  statement: Map<unknown, unknown>,
  signed: Buffer,
  algorithm: CoseAlgorithm,
  credentialKey: KeyObject,
): void {
  const signature = statement.get('sig');
  if (!(signature instanceof Uint8Array)) throw new Error('attestation statement has no signature');
  const chain = statement.get('x5c');
  if (chain === undefined && statement.get('alg') !== algorithm) {
    throw new Error("attestation statement's algorithm is not the key's");
  }
  const key = chain === undefined ? credentialKey : leafKey(chain);
  if (!verify('sha256', signed, key, signature)) throw new Error('attestation signature is wrong');
}

/** The chain is not verified, because the sandbox has no trusted roots. */
function leafKey(chain: unknown): KeyObject {
  try {
    return new X509Certificate((chain as Uint8Array[])[0] as Uint8Array).publicKey;
  } catch (cause) {
    throw new Error('attestation certificate is not readable', { cause });
  }
}

function fromBase64url(text: string, field: string): Buffer {
  // Buffer.from skips invalid characters, so it would accept values that upstream refuses.
  if (!/^[A-Za-z0-9_-]+$/.test(text) || text.length % 4 === 1) throw new Error(`${field} is not base64url`);
  return Buffer.from(text, 'base64url');
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest();
