import { generateKeyPairSync, randomBytes } from 'node:crypto';
import type { RegistrationResponseJSON } from '@simplewebauthn/server';
import { encode } from 'cborg';
import type { ATTESTATION_CODES } from '#libs/authenticators';
import { createPasskey, type PasskeyLies, type PasskeyOptions } from '../../tools/passkey.js';
import {
  altered,
  withAttestation,
  withAuthenticatorData,
  withClientData,
  withKey,
  withMembers,
} from './altered.js';
import { BAD_STATEMENTS } from './bad-statements.js';

export type Make = (honest: PasskeyOptions) => RegistrationResponseJSON;
export type BadPasskey = [code: (typeof ATTESTATION_CODES)[number], what: string, make: Make];

const options =
  (change: (honest: PasskeyOptions) => Partial<PasskeyOptions>): Make =>
  (honest) =>
    createPasskey({ ...honest, ...change(honest) });
const lying = (wrong: PasskeyLies): Make => options(() => ({ wrong }));
const origin = (change: (origin: string) => string): Make =>
  options((honest) => ({ origin: change(honest.origin) }));
const clientData =
  (change: (data: Record<string, unknown>) => string | Uint8Array): Make =>
  (honest) =>
    withClientData(honest, change);
const member = (name: string, value: unknown): Make =>
  clientData((data) => JSON.stringify({ ...data, [name]: value }));
const object =
  (change: (object: Buffer) => Uint8Array): Make =>
  (honest) =>
    withAttestation(honest, change);
const members =
  (change: (members: Map<string, unknown>) => void): Make =>
  (honest) =>
    withMembers(honest, change);
const authData =
  (change: (data: Buffer) => Uint8Array): Make =>
  (honest) =>
    withAuthenticatorData(honest, change);
const key =
  (change: (key: Map<number, unknown>) => void): Make =>
  (honest) =>
    withKey(honest, change);
const with0 = (data: Buffer): Buffer => Buffer.concat([data, Buffer.of(0)]);
const withByte = (data: Buffer, at: number, value: number): Buffer => {
  data[at] = value;
  return data;
};
/** The flags' offset in authenticator data (WebAuthn Level 3 §6.1). */
const FLAGS = 32;

/** In the order of WebAuthn's checks, except that attestation statements come last. */
export const BAD_PASSKEYS: BadPasskey[] = [
  ['client_data_malformed', 'client data that is no JSON', clientData(() => '{"type":')],
  ['client_data_malformed', 'client data that is JSON but no object', clientData(() => 'null')],
  ['client_data_malformed', 'client data that is a list', clientData((data) => JSON.stringify([data]))],
  [
    'client_data_malformed',
    'client data with a byte order mark',
    clientData((data) => `\uFEFF${JSON.stringify(data)}`),
  ],
  [
    'client_data_malformed',
    'client data that is not UTF-8',
    clientData((data) => Buffer.from(JSON.stringify({ ...data, x: 'ä' }), 'latin1')),
  ],
  [
    'client_data_malformed',
    'client data with two challenges',
    clientData((data) => JSON.stringify(data).replace('{', '{"challenge":"AQID",')),
  ],

  ['type_mismatch', 'an assertion', lying({ type: 'webauthn.get' })],
  ['type_mismatch', 'no type', member('type', undefined)],

  [
    'challenge_mismatch',
    'a challenge that was not issued',
    options(() => ({ challenge: randomBytes(32).toString('base64url') })),
  ],
  [
    'challenge_mismatch',
    'a challenge with padding',
    options(({ challenge }) => ({ challenge: `${challenge}=` })),
  ],
  [
    'challenge_mismatch',
    'a challenge that is a list',
    clientData((data) => JSON.stringify({ ...data, challenge: [data['challenge']] })),
  ],

  ['origin_not_allowed', 'another site', origin(() => 'https://evil.com')],
  ['origin_not_allowed', 'an origin that only begins like ours', origin((ours) => `${ours}.evil.com`)],
  ['origin_not_allowed', 'an origin below ours', origin((ours) => ours.replace('https://', 'https://evil.'))],
  ['origin_not_allowed', 'the origin over http', origin((ours) => ours.replace('https', 'http'))],
  ['origin_not_allowed', 'the origin on another port', origin((ours) => `${ours}:8443`)],
  ['origin_not_allowed', 'the origin with a slash', origin((ours) => `${ours}/`)],
  ['origin_not_allowed', 'an app instead of a site', origin(() => 'android:apk-key-hash:abc')],

  [
    'cross_origin_not_allowed',
    'a frame of another origin',
    lying({ crossOrigin: true, topOrigin: 'https://evil.com' }),
  ],
  ['cross_origin_not_allowed', 'a crossOrigin that is a text', member('crossOrigin', 'false')],
  ['top_origin_not_allowed', 'a top origin without a frame', lying({ topOrigin: 'https://evil.com' })],

  ['attestation_malformed', 'an attestation object that is no CBOR', object(() => Buffer.from('ff', 'hex'))],
  ['attestation_malformed', 'an attestation object that is no map', object(() => Buffer.from('01', 'hex'))],
  [
    'attestation_malformed',
    'an attestation object that ends too early',
    object((bytes) => bytes.subarray(0, -1)),
  ],
  [
    'attestation_malformed',
    'an attestation object without authenticator data',
    members((map) => map.delete('authData')),
  ],
  ['attestation_malformed', 'a statement that is no map', members((map) => map.set('attStmt', []))],
  [
    'attestation_malformed',
    'a format twice',
    object((bytes) =>
      Buffer.concat([Buffer.of(0xa4), bytes.subarray(1), Buffer.from('63666d74646e6f6e65', 'hex')]),
    ),
  ],
  [
    'attestation_too_large',
    'an attestation object of more than 16384 bytes',
    authData((data) => Buffer.concat([data, Buffer.alloc(16_384)])),
  ],
  [
    'attestation_malformed',
    'a length in more bytes than it needs',
    object((bytes) => Buffer.concat([Buffer.of(0xb8, 3), bytes.subarray(1)])),
  ],
  [
    'attestation_malformed',
    'a map of indefinite length',
    object((bytes) => Buffer.concat([Buffer.of(0xbf), bytes.subarray(1), Buffer.of(0xff)])),
  ],
  ['attestation_malformed', 'a tag', object((bytes) => Buffer.concat([Buffer.of(0xc1), bytes]))],
  ['attestation_malformed', 'a statement of 300 members', members((map) => map.set('attStmt', mapOf(300)))],
  ['attestation_malformed', 'a statement of 10 levels', members((map) => map.set('attStmt', nested(10)))],
  [
    'attestation_malformed',
    'a map that says it has 2^32 members',
    object(() => Buffer.from('ba00000000', 'hex').fill(0xff, 1)),
  ],
  ['attestation_trailing_bytes', 'something after the attestation object', object(with0)],

  [
    'authenticator_data_malformed',
    'authenticator data that is too short',
    authData((data) => data.subarray(0, 36)),
  ],
  [
    'authenticator_data_malformed',
    'a credential id that is longer than the data',
    authData((data) => withByte(data, 53, 0xff)),
  ],
  ['authenticator_data_malformed', 'half a public key', authData((data) => data.subarray(0, -1))],
  ['authenticator_data_malformed', 'missing extensions', authData((data) => withByte(data, FLAGS, 0xcd))],
  [
    'authenticator_data_malformed',
    'extensions of 10000 empty maps',
    authData((data) =>
      extended(data, Buffer.concat([Buffer.from('a16161992710', 'hex'), Buffer.alloc(10_000, 0xa0)])),
    ),
  ],
  [
    'authenticator_data_malformed',
    'extensions of 10 levels',
    authData((data) => extended(data, encode(nested(10)))),
  ],
  [
    'authenticator_data_malformed',
    'extensions that are no map',
    authData((data) => extended(data, Buffer.of(0x80))),
  ],
  [
    'authenticator_data_malformed',
    'extensions with a key twice',
    authData((data) => extended(data, Buffer.from('a2616101616102', 'hex'))),
  ],
  ['authenticator_data_trailing_bytes', 'something after the public key', authData(with0)],
  [
    'authenticator_data_trailing_bytes',
    'extensions without their flag',
    authData((data) => Buffer.concat([data, Buffer.of(0xa0)])),
  ],
  [
    'attested_credential_missing',
    'no credential',
    authData((data) => withByte(data.subarray(0, 37), FLAGS, 0x05)),
  ],
  ['attested_credential_missing', 'a credential without its flag', lying({ flags: 0x05 })],

  ['rp_id_mismatch', 'another relying party', options(() => ({ rpId: 'evil.com' }))],
  [
    'rp_id_mismatch',
    'the domain above ours',
    options(({ rpId }) => ({ rpId: rpId.replace(/^[^.]+\./, '') })),
  ],
  ['user_not_present', 'an absent user', lying({ flags: 0x44 })],
  ['user_not_verified', 'the user not verified', options(() => ({ userVerified: false }))],
  ['backup_state_invalid', 'a backup without backup eligibility', lying({ flags: 0x55 })],

  ['algorithm_not_allowed', 'EdDSA', options(() => ({ alg: -8 }))],
  ['algorithm_not_allowed', 'a key that claims ES384', lying({ alg: -35 })],
  ['algorithm_not_allowed', 'a key without an algorithm', key((map) => map.delete(3))],
  ['public_key_malformed', 'a point that is on no curve', key((map) => map.set(-2, Buffer.alloc(32, 1)))],
  ['public_key_malformed', 'a key of P-256 that claims RS256', lying({ alg: -257 })],
  ['public_key_malformed', 'half a point', key((map) => map.delete(-3))],
  [
    'public_key_malformed',
    'RSA of 1024 bits',
    (honest) => withKey({ ...honest, alg: -257 }, (map) => map.set(-1, modulusOf(1024))),
  ],
  [
    'public_key_malformed',
    'RSA of more than 4096 bits',
    (honest) => withKey({ ...honest, alg: -257 }, (map) => map.set(-1, oddBytes(513))),
  ],
  [
    'public_key_malformed',
    'RSA with an even modulus',
    (honest) => withKey({ ...honest, alg: -257 }, (map) => withLastByte(map.get(-1), (byte) => byte & 0xfe)),
  ],
  [
    'public_key_malformed',
    'RSA with the exponent 1',
    (honest) => withKey({ ...honest, alg: -257 }, (map) => map.set(-2, Buffer.of(1))),
  ],
  [
    'public_key_malformed',
    'RSA with an even exponent',
    (honest) => withKey({ ...honest, alg: -257 }, (map) => map.set(-2, Buffer.of(1, 0, 0))),
  ],
  [
    'public_key_malformed',
    'RSA with an exponent of more than 64 bits',
    (honest) => withKey({ ...honest, alg: -257 }, (map) => map.set(-2, oddBytes(9))),
  ],
  [
    'public_key_malformed',
    'RSA with a private exponent',
    (honest) => withKey({ ...honest, alg: -257 }, (map) => map.set(-3, randomBytes(256))),
  ],
  ['public_key_malformed', 'P-256 with its private key', key((map) => map.set(-4, randomBytes(32)))],
  [
    'public_key_malformed',
    'a coordinate with a zero before it',
    key((map) => map.set(-2, Buffer.concat([Buffer.of(0), map.get(-2) as Uint8Array]))),
  ],
  [
    'public_key_malformed',
    'a coordinate that is a list of numbers',
    key((map) => map.set(-2, [...(map.get(-2) as Uint8Array)])),
  ],
  [
    'public_key_malformed',
    'RSA with a zero before its modulus',
    (honest) =>
      withKey({ ...honest, alg: -257 }, (map) =>
        map.set(-1, Buffer.concat([Buffer.of(0), map.get(-1) as Uint8Array])),
      ),
  ],
  ['public_key_malformed', 'P-256 as another curve', key((map) => map.set(-1, 2))],
  ['public_key_malformed', 'P-256 as another type', key((map) => map.set(1, 3))],
  ['public_key_malformed', 'a label that no algorithm has', key((map) => map.set(-70000, 1))],

  [
    'credential_id_too_short',
    'a credential id of one byte',
    options(() => ({ credentialId: randomBytes(1) })),
  ],
  [
    'credential_id_too_short',
    'a credential id of 15 bytes',
    options(() => ({ credentialId: randomBytes(15) })),
  ],
  [
    'credential_id_too_long',
    'a credential id of 1024 bytes',
    options(() => ({ credentialId: randomBytes(1024) })),
  ],
  [
    'credential_id_mismatch',
    'another id than the attested one',
    (honest) => altered(honest, (passkey) => (passkey.id = passkey.rawId = 'b3RoZXI')),
  ],
  [
    'credential_id_mismatch',
    'a browser’s id as CBOR',
    (honest) => altered(honest, (passkey) => (passkey.id = passkey.rawId = byteString(passkey.id))),
  ],
  [
    'credential_id_mismatch',
    'two ids',
    (honest) => altered(honest, (passkey) => (passkey.rawId = 'b3RoZXI')),
  ],

  ...BAD_STATEMENTS,
];

const mapOf = (size: number) => new Map(Array.from({ length: size }, (_, at) => [at, 0]));
const nested = (levels: number): Map<number, unknown> => new Map(levels > 1 ? [[0, nested(levels - 1)]] : []);
const extended = (data: Buffer, extensions: Uint8Array): Buffer =>
  Buffer.concat([withByte(data, FLAGS, data[FLAGS]! | 0x80), extensions]);
/** Encodes an id of 32 bytes (base64url) as a CBOR byte string. */
const byteString = (id: string): string =>
  Buffer.concat([Buffer.of(0x58, 32), Buffer.from(id, 'base64url')]).toString('base64url');

function modulusOf(modulusLength: number): Buffer {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength });
  return Buffer.from(publicKey.export({ format: 'jwk' }).n!, 'base64url');
}

const oddBytes = (length: number): Buffer => Buffer.alloc(length, 0xff);

function withLastByte(bytes: unknown, change: (byte: number) => number): void {
  const all = bytes as Uint8Array;
  all[all.length - 1] = change(all.at(-1)!);
}
