import { createHash, generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { encode } from 'cborg';

type CborKey = number | string;

/** A test's changes to a valid registration. */
export interface PasskeyFlaws {
  algorithm?: -7 | -257;
  format?: string;
  type?: string;
  challengeInClientData?: string;
  origin?: string;
  rpId?: string;
  /** Replaces the flags byte: UP 1, UV 4, BE 8, BS 16, AT 64, ED 128. */
  flags?: number;
  credentialId?: Buffer;
  /** Sent in place of the id in the authenticator data. */
  claimedCredentialId?: string;
  /** Replace the COSE key's entries of the same label. */
  cose?: [number, unknown][];
  /** Replace the attestation statement's entries of the same name. */
  statement?: [string, unknown][];
  /** Bytes after the COSE key. */
  trailing?: Buffer;
  modulusLength?: number;
}

export function makePasskey(flaws: PasskeyFlaws = {}) {
  const challenge = randomBytes(32).toString('base64url');
  const algorithm = flaws.algorithm ?? -7;
  const keys =
    algorithm === -7
      ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
      : generateKeyPairSync('rsa', { modulusLength: flaws.modulusLength ?? 2048 });
  const jwk = keys.publicKey.export({ format: 'jwk' });
  const bytes = (part?: string) => Buffer.from(part ?? '', 'base64url');
  const cose: [CborKey, unknown][] =
    algorithm === -7
      ? [[1, 2], [3, -7], [-1, 1], [-2, bytes(jwk.x)], [-3, bytes(jwk.y)]] // prettier-ignore
      : [[1, 3], [3, -257], [-1, bytes(jwk.n)], [-2, bytes(jwk.e)]]; // prettier-ignore

  const credentialId = flaws.credentialId ?? randomBytes(16);
  const idLength = Buffer.alloc(2);
  idLength.writeUInt16BE(credentialId.length);
  const authData = Buffer.concat([
    sha256(flaws.rpId ?? 'localhost'),
    Buffer.from([flaws.flags ?? 0x45, 0, 0, 0, 0]),
    Buffer.alloc(16),
    idLength,
    credentialId,
    encode(new Map([...cose, ...(flaws.cose ?? [])])),
    flaws.trailing ?? Buffer.alloc(0),
  ]);
  const clientData = JSON.stringify({
    type: flaws.type ?? 'webauthn.create',
    challenge: flaws.challengeInClientData ?? challenge,
    origin: flaws.origin ?? 'http://localhost:3000',
    crossOrigin: false,
  });

  const format = flaws.format ?? 'none';
  const signature = sign('sha256', Buffer.concat([authData, sha256(clientData)]), keys.privateKey);
  const statement = Object.entries<unknown>(format === 'packed' ? { alg: algorithm, sig: signature } : {});
  const attestationObject = encode(
    new Map<string, unknown>([
      ['fmt', format],
      ['attStmt', new Map([...statement, ...(flaws.statement ?? [])])],
      ['authData', authData],
    ]),
  );
  return {
    authenticatorName: "Ana's phone",
    challenge,
    attestation: {
      credentialId: flaws.claimedCredentialId ?? credentialId.toString('base64url'),
      clientDataJson: Buffer.from(clientData).toString('base64url'),
      attestationObject: Buffer.from(attestationObject).toString('base64url'),
      transports: ['AUTHENTICATOR_TRANSPORT_INTERNAL', 'Unknown'],
    },
  };
}

const sha256 = (data: string) => createHash('sha256').update(data).digest();
