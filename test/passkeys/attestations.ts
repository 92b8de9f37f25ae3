import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import type { Attest, Attestable, Cbor } from '../../tools/passkey.js';
import {
  authority,
  certificate,
  extension,
  keyPair,
  nameOf,
  type Authority,
  type CertificateOptions,
} from './certificates.js';
import { enumerated, int, octets, oid, seq, set, tagged, utf8 } from './der.js';

/** What is not as it should be; see where each is read. */
export interface StatementLies {
  /** Instead of the roots' own. */
  root?: Authority;
  leaf?: Partial<CertificateOptions>;
  /** Between the leaf and the root. */
  chain?: (leaf: Buffer) => Buffer[];
  /** Is signed, or certified, in the place of what was made. */
  clientDataHash?: Buffer;
  /** Replaces members of the statement. */
  statement?: [string, Cbor][];
  /** Of the leaf, where it is not the passkey's own. */
  key?: KeyPair;
}

type KeyPair = ReturnType<typeof keyPair>;

/** The root of all statements here; android-key, android-safetynet and apple have to be told of it. */
export const ROOT = authority();

const sha256 = (...data: Uint8Array[]) => createHash('sha256').update(Buffer.concat(data)).digest();
const asSigned = ({ authenticatorData, clientDataHash }: Attestable, lies: StatementLies) =>
  Buffer.concat([authenticatorData, lies.clientDataHash ?? clientDataHash]);

interface Vouched {
  x5c: Buffer[];
  /** Of the leaf. */
  privateKey: KeyObject;
}

function vouched(
  lies: StatementLies,
  own: Partial<CertificateOptions>,
  key = lies.key ?? keyPair(),
): Vouched {
  const root = lies.root ?? ROOT;
  const leaf = certificate({ publicKey: key.publicKey, issuer: root, ...own, ...lies.leaf });
  return { x5c: lies.chain?.(leaf) ?? [leaf], privateKey: key.privateKey };
}

const statementOf = (members: Record<string, Cbor>, { statement = [] }: StatementLies) =>
  new Map<string, Cbor>([...Object.entries(members), ...statement]);

const AUTHENTICATOR = nameOf({ C: 'FI', O: 'Tests', OU: 'Authenticator Attestation', CN: 'Key' });
export const aaguidExtension = (aaguid: Uint8Array, critical = false): Buffer => extension('1.3.6.1.4.1.45724.1.1.4', octets(aaguid), critical); // prettier-ignore

/** WebAuthn Level 3 §8.2, with a certificate. */
export const packed =
  (lies: StatementLies = {}): Attest =>
  (made) => {
    const aaguid = aaguidExtension(made.authenticatorData.subarray(37, 53));
    const { x5c, privateKey } = vouched(lies, { subject: AUTHENTICATOR, extensions: [aaguid] });
    const sig = sign('sha256', asSigned(made, lies), privateKey);
    return { fmt: 'packed', statement: statementOf({ alg: -7, sig, x5c }, lies) };
  };

/** §8.3: the TPM signs a structure that names the key and the ceremony (TPM 2.0 part 2, §10.12 and §12.2). */
export const tpm =
  (lies: StatementLies & { nameAlg?: string } = {}): Attest =>
  (made) => {
    const TCG = '2.23.133';
    const names = [`${TCG}.2.1`, `${TCG}.2.2`, `${TCG}.2.3`];
    const [vendor, model, version] = names.map((id, at) => set(seq(oid(id), utf8(['id:414D4400', 'x', 'id:1'][at]!)))); // prettier-ignore
    const alternative = extension('2.5.29.17', seq(tagged(4, seq(vendor!, model!, version!))), true);
    const usage = extension('2.5.29.37', seq(oid(`${TCG}.8.3`)));
    const { x5c, privateKey } = vouched(lies, { subject: seq(), extensions: [alternative, usage] });
    const { x, y, n } = made.publicKey.export({ format: 'jwk' });
    const [RSA, ECC, SHA256, NULL, P256] = ['0001', '0023', '000b', '0010', '0003'].map((word) => Buffer.from(word, 'hex')); // prettier-ignore
    const attributes = Buffer.from('000404720000', 'hex'); // and no policy
    const nameAlg = Buffer.from(lies.nameAlg ?? '000b', 'hex');
    const pubArea = n
      ? Buffer.concat([RSA!, nameAlg, attributes, NULL!, NULL!, Buffer.from('080000000000', 'hex'), sized(n)])
      : Buffer.concat([ECC!, nameAlg, attributes, NULL!, NULL!, P256!, NULL!, sized(x!), sized(y!)]);
    const magicAndType = Buffer.from('ff5443478017', 'hex');
    const certInfo = Buffer.concat([magicAndType, sized(''), sized(sha256(asSigned(made, lies))), Buffer.alloc(25), sized(Buffer.concat([SHA256!, sha256(pubArea)])), sized('')]); // prettier-ignore
    const sig = sign('sha256', certInfo, privateKey);
    return { fmt: 'tpm', statement: statementOf({ ver: '2.0', alg: -7, x5c, sig, certInfo, pubArea }, lies) };
  };

/** With its length before it. @param value base64url where it is text. */
function sized(value: string | Buffer): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'base64url') : value;
  return Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 0xff), bytes]);
}

/** Android's AuthorizationList of a key: purposes (tag 1), all applications (600), origin (702). */
export interface Authorizations {
  purposes?: number[];
  allApplications?: boolean;
  origin?: number;
}

const SIGN = 2;
const GENERATED = 0;

function authorizationList({ purposes, allApplications, origin }: Authorizations): Buffer {
  const long = (tag: string, content: Buffer) => Buffer.concat([Buffer.from(tag, 'hex'), Buffer.of(content.length), content]); // prettier-ignore
  return seq(
    ...(purposes ? [tagged(1, set(...purposes.map(int)))] : []),
    ...(allApplications ? [long('bf8458', Buffer.from('0500', 'hex'))] : []),
    ...(origin === undefined ? [] : [long('bf853e', int(origin))]),
  );
}

/** The list of a key as an authenticator should make it. */
const OF_HARDWARE: Authorizations = { purposes: [SIGN], origin: GENERATED };

/** §8.4: the certificate is of the passkey's own key, and names the ceremony. */
export const androidKey =
  (lies: StatementLies = {}, hardware = OF_HARDWARE, software: Authorizations = {}): Attest =>
  (made) => {
    const hash = octets(lies.clientDataHash ?? made.clientDataHash);
    const versions = [int(3), enumerated(1), int(4), enumerated(1)];
    const description = seq(
      ...versions,
      hash,
      octets(Buffer.alloc(0)),
      authorizationList(software),
      authorizationList(hardware),
    );
    const extensions = [extension('1.3.6.1.4.1.11129.2.1.17', description)];
    const chain = (leaf: Buffer) => [leaf, (lies.root ?? ROOT).certificate];
    const own = { subject: nameOf({ CN: 'Android Keystore Key' }), extensions };
    const { x5c } = vouched({ chain, ...lies }, own, made);
    const sig = sign('sha256', asSigned(made, {}), made.privateKey);
    return { fmt: 'android-key', statement: statementOf({ alg: -7, sig, x5c }, lies) };
  };

/** §8.5: a JWS of Google's about the phone. */
export const androidSafetyNet =
  (lies: StatementLies = {}, payload: object = {}): Attest =>
  (made) => {
    const own = { subject: nameOf({ CN: 'attest.android.com' }) };
    const key = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const { x5c, privateKey } = vouched(lies, own, key);
    const nonce = sha256(asSigned(made, lies)).toString('base64');
    const told = { nonce, ctsProfileMatch: true, timestampMs: Date.now() - 1000, ...payload };
    const header = { alg: 'RS256', x5c: x5c.map((each) => each.toString('base64')) };
    const signed = [header, told].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.'); // prettier-ignore
    const response = Buffer.from(`${signed}.${sign('sha256', Buffer.from(signed), privateKey).toString('base64url')}`); // prettier-ignore
    return { fmt: 'android-safetynet', statement: statementOf({ ver: '1', response }, lies) };
  };

/** §8.8: the certificate is of the passkey's own key, and has a hash of the ceremony. */
export const apple =
  (lies: StatementLies = {}): Attest =>
  (made) => {
    const nonce = seq(tagged(1, octets(sha256(asSigned(made, lies)))));
    const extensions = [extension('1.2.840.113635.100.8.2', nonce)];
    const { x5c } = vouched(lies, { subject: nameOf({ CN: 'Passkey' }), extensions }, made);
    return { fmt: 'apple', statement: statementOf({ x5c }, lies) };
  };

/** §8.6: signed over parts of the authenticator data, as U2F had them. */
export const fidoU2f =
  (lies: StatementLies = {}): Attest =>
  ({ authenticatorData, clientDataHash, credentialId, publicKey }) => {
    const { x5c, privateKey } = vouched(lies, { subject: nameOf({ CN: 'U2F' }) });
    const point = publicKey.export({ type: 'spki', format: 'der' }).subarray(-65);
    const hash = lies.clientDataHash ?? clientDataHash;
    const signed = [Buffer.of(0), authenticatorData.subarray(0, 32), hash, credentialId, point];
    const sig = sign('sha256', Buffer.concat(signed), privateKey);
    return { fmt: 'fido-u2f', statement: statementOf({ sig, x5c }, lies) };
  };
