import { createPublicKey, generateKeyPairSync, randomInt, sign, type KeyObject } from 'node:crypto';
import { bits, der, int, octets, oid, seq, set, tagged, time, utf8, yes } from './der.js';

export interface Authority {
  name: Buffer;
  privateKey: KeyObject;
  certificate: Buffer;
  pem: string;
}

export interface CertificateOptions {
  publicKey: KeyObject;
  issuer: Pick<Authority, 'name' | 'privateKey'>;
  /** As {@link nameOf} encodes it. */
  subject?: Buffer;
  extensions?: Buffer[];
  ca?: boolean;
  /** If false, basic constraints are missing. */
  constraints?: boolean;
  /** In days from now. */
  validFor?: number;
}

const OF_NAME = { C: '2.5.4.6', O: '2.5.4.10', OU: '2.5.4.11', CN: '2.5.4.3', serialNumber: '2.5.4.5' };
const ECDSA_SHA256 = seq(oid('1.2.840.10045.4.3.2'));
const DAY_MS = 86_400_000;

export const nameOf = (parts: Partial<Record<keyof typeof OF_NAME, string>>): Buffer =>
  seq(
    ...Object.entries(parts).map(([part, value]) =>
      set(seq(oid(OF_NAME[part as keyof typeof OF_NAME]), utf8(value))),
    ),
  );

export const extension = (id: string, value: Uint8Array, critical = false): Buffer =>
  seq(oid(id), ...(critical ? [yes] : []), octets(value));

/** Makes the extension CRL Distribution Points (RFC 5280 §4.2.1.13). */
export const revocationListAt = (url: string): Buffer =>
  extension('2.5.29.31', seq(seq(tagged(0, tagged(0, der(0x86, Buffer.from(url)))))));

/** Makes an X.509 certificate (RFC 5280 §4.1), signed with a P-256 key. */
export function certificate(options: CertificateOptions): Buffer {
  const { publicKey, issuer, subject = seq(), extensions = [], ca = false, validFor = 30 } = options;
  const { constraints = true } = options;
  const basic = constraints ? [extension('2.5.29.19', ca ? seq(yes) : seq(), true)] : [];
  const body = seq(
    tagged(0, int(2)), // version 3
    int(randomInt(1, 128)),
    ECDSA_SHA256,
    issuer.name,
    seq(time(new Date(Date.now() - 60 * DAY_MS)), time(new Date(Date.now() + validFor * DAY_MS))),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(3, seq(...basic, ...extensions)),
  );
  return seq(body, ECDSA_SHA256, bits(sign('sha256', body, issuer.privateKey)));
}

export const keyPair = (namedCurve = 'P-256') => generateKeyPairSync('ec', { namedCurve });

export function authority(extensions: Buffer[] = []): Authority {
  const { privateKey, publicKey } = keyPair();
  const name = nameOf({ C: 'FI', O: 'Tests', CN: 'Root of the tests' });
  const made = certificate({ publicKey, issuer: { name, privateKey }, subject: name, ca: true, extensions });
  const base64 = made.toString('base64').replaceAll(/.{64}/g, '$&\n');
  const pem = `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`;
  return { name, privateKey, certificate: made, pem };
}

/** Makes an older certificate of the same root, which expired yesterday. */
export const outdated = (root: Authority): Buffer =>
  certificate({
    publicKey: createPublicKey(root.privateKey),
    issuer: root,
    subject: root.name,
    ca: true,
    validFor: -1,
  });
