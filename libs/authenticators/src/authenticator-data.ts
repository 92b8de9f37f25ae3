import { check, decoding } from './attestation-error.js';
import { decodeItem } from './cbor.js';
import type { CoseKey } from './public-key.js';

/** Authenticator data (WebAuthn Level 3 §6.1) with its attested credential (§6.5.1). */
export interface AuthenticatorData {
  rpIdHash: Buffer;
  userPresent: boolean;
  userVerified: boolean;
  backupEligible: boolean;
  backedUp: boolean;
  /** Lower case UUID. */
  aaguid: string;
  credentialId: Buffer;
  key: CoseKey;
}

/** Offsets in bytes. The order is: hash, flags, counter, AAGUID, length of the id, id. */
const FLAGS = 32;
const AAGUID = 37;
const ID_LENGTH = 53;
const ID = 55;
const FLAG = {
  present: 0x01,
  verified: 0x04,
  eligible: 0x08,
  backedUp: 0x10,
  attested: 0x40,
  extended: 0x80,
};

/** @throws PreflightError `authenticator_data_…` or `attested_credential_missing` */
export function readAuthenticatorData(authData: Uint8Array): AuthenticatorData {
  const bytes = Buffer.from(authData);
  check(bytes.length >= AAGUID, 'authenticator_data_malformed');
  const flags = bytes[FLAGS]!;
  const has = (flag: number) => (flags & flag) !== 0;
  check(has(FLAG.attested), 'attested_credential_missing');
  const { credentialId, key, rest } = decoding('authenticator_data_malformed', () => {
    const end = ID + bytes.readUInt16BE(ID_LENGTH);
    const [coseKey, afterKey] = decodeItem(bytes.subarray(end));
    const [extensions, after] = has(FLAG.extended) ? decodeItem(afterKey) : [new Map(), afterKey];
    if (!(coseKey instanceof Map && extensions instanceof Map)) throw new Error('no map');
    return { credentialId: bytes.subarray(ID, end), key: coseKey, rest: after };
  });
  check(rest.length === 0, 'authenticator_data_trailing_bytes');
  return {
    rpIdHash: bytes.subarray(0, FLAGS),
    userPresent: has(FLAG.present),
    userVerified: has(FLAG.verified),
    backupEligible: has(FLAG.eligible),
    backedUp: has(FLAG.backedUp),
    aaguid: asUuid(bytes.subarray(AAGUID, ID_LENGTH)),
    credentialId,
    key,
  };
}

const asUuid = (bytes: Buffer): string =>
  bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
