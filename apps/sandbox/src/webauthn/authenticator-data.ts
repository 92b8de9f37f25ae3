import { decodeFirst } from 'cborg';

/** Authenticator data of a registration (WebAuthn Level 3, 6.1). */
export interface AuthenticatorData {
  rpIdHash: Buffer;
  flags: {
    userPresent: boolean;
    userVerified: boolean;
    backupEligible: boolean;
    backedUp: boolean;
  };
  signCount: number;
  aaguid: string;
  credentialId: Buffer;
  cosePublicKey: Map<unknown, unknown>;
}

const UP = 0x01;
const UV = 0x04;
const BE = 0x08;
const BS = 0x10;
const AT = 0x40;
const ED = 0x80;

const FIXED_BYTES = 37;
const ATTESTED_FIXED_BYTES = 18;
/** WebAuthn Level 3, 7.1: a longer credential id is refused. */
const MAX_CREDENTIAL_ID_BYTES = 1023;

/** @throws Error that says what is wrong with the bytes, also for bytes after the end */
export function parseAuthenticatorData(bytes: Buffer): AuthenticatorData {
  if (bytes.length < FIXED_BYTES) throw new Error('authenticator data is too short');
  const flags = bytes.readUInt8(32);
  if (!(flags & AT)) throw new Error('authenticator data carries no attested credential');
  if (flags & BS && !(flags & BE)) throw new Error('credential is backed up but not eligible for backup');

  const attested = bytes.subarray(FIXED_BYTES);
  if (attested.length < ATTESTED_FIXED_BYTES) throw new Error('attested credential data is too short');
  const idLength = attested.readUInt16BE(16);
  if (idLength === 0 || idLength > MAX_CREDENTIAL_ID_BYTES) throw new Error('credential id has a bad length');
  const credentialId = attested.subarray(ATTESTED_FIXED_BYTES, ATTESTED_FIXED_BYTES + idLength);
  if (credentialId.length < idLength) throw new Error('attested credential data is too short');

  let [cosePublicKey, rest] = decodeMap(attested.subarray(ATTESTED_FIXED_BYTES + idLength), 'public key');
  if (flags & ED) [, rest] = decodeMap(rest, 'extensions');
  if (rest.length > 0) throw new Error('authenticator data has bytes left over');

  return {
    rpIdHash: bytes.subarray(0, 32),
    flags: {
      userPresent: Boolean(flags & UP),
      userVerified: Boolean(flags & UV),
      backupEligible: Boolean(flags & BE),
      backedUp: Boolean(flags & BS),
    },
    signCount: bytes.readUInt32BE(33),
    aaguid: asUuid(attested.subarray(0, 16)),
    credentialId,
    cosePublicKey,
  };
}

function decodeMap(bytes: Uint8Array, what: string): [Map<unknown, unknown>, Uint8Array] {
  let decoded: [unknown, Uint8Array];
  try {
    // Refuse a map with a duplicate key, because parsers differ in which of the two values they use.
    decoded = decodeFirst(bytes, { useMaps: true, rejectDuplicateMapKeys: true });
  } catch (cause) {
    throw new Error(`${what} is not CBOR`, { cause });
  }
  const [value, rest] = decoded;
  if (!(value instanceof Map)) throw new Error(`${what} is not a CBOR map`);
  return [value, rest];
}

function asUuid(bytes: Buffer): string {
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
