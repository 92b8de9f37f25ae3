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

export interface StatementLies {
  /** Replaces {@link ROOT}. */
  root?: Authority;
  leaf?: Partial<CertificateOptions>;
  chain?: (leaf: Buffer) => Buffer[];
  clientDataHash?: Buffer;
  statement?: [string, Cbor][];
  key?: KeyPair;
}

type KeyPair = ReturnType<typeof keyPair>;

/** Tests of android-key, android-safetynet and apple must trust this root: see trusted-root.ts. */
export const ROOT = authority();

const sha256 = (...data: Uint8Array[]) => createHash('sha256').update(Buffer.concat(data)).digest();
const asSigned = ({ authenticatorData, clientDataHash }: Attestable, lies: StatementLies) =>
  Buffer.concat([authenticatorData, lies.clientDataHash ?? clientDataHash]);

interface Certified {
  x5c: Buffer[];
  /** The leaf certificate's key. */
  privateKey: KeyObject;
}

function certified(
  lies: StatementLies,
  own: Partial<CertificateOptions>,
  key = lies.key ?? keyPair(),
): Certified {
  const root = lies.root ?? ROOT;
  const leaf = certificate({ publicKey: key.publicKey, issuer: root, ...own, ...lies.leaf });
  return { x5c: lies.chain?.(leaf) ?? [leaf], privateKey: key.privateKey };
}

const statementOf = (members: Record<string, Cbor>, { statement = [] }: StatementLies) =>
  new Map<string, Cbor>([...Object.entries(members), ...statement]);

const AUTHENTICATOR = nameOf({ C: 'FI', O: 'Tests', OU: 'Authenticator Attestation', CN: 'Key' });
export const aaguidExtension = (aaguid: Uint8Array, critical = false): Buffer =>
  extension('1.3.6.1.4.1.45724.1.1.4', octets(aaguid), critical);

/** With a certificate (WebAuthn Level 3 §8.2). */
export const packed =
  (lies: StatementLies = {}): Attest =>
  (made) => {
    const aaguid = aaguidExtension(made.authenticatorData.subarray(37, 53));
    const { x5c, privateKey } = certified(lies, { subject: AUTHENTICATOR, extensions: [aaguid] });
    const sig = sign('sha256', asSigned(made, lies), privateKey);
    return { fmt: 'packed', statement: statementOf({ alg: -7, sig, x5c }, lies) };
  };

/** WebAuthn Level 3 §8.3. TPM 2.0 part 2 specifies `certInfo` (§10.12) and `pubArea` (§12.2). */
export const tpm =
  (lies: StatementLies & { nameAlg?: string } = {}): Attest =>
  (made) => {
    const TCG = '2.23.133';
    const names = [`${TCG}.2.1`, `${TCG}.2.2`, `${TCG}.2.3`];
    const texts = ['id:414D4400', 'x', 'id:1'];
    const [vendor, model, version] = names.map((id, at) => set(seq(oid(id), utf8(texts[at]!))));
    const alternative = extension('2.5.29.17', seq(tagged(4, seq(vendor!, model!, version!))), true);
    const usage = extension('2.5.29.37', seq(oid(`${TCG}.8.3`)));
    const { x5c, privateKey } = certified(lies, { subject: seq(), extensions: [alternative, usage] });
    const { x, y, n } = made.publicKey.export({ format: 'jwk' });
    const words = ['0001', '0023', '000b', '0010', '0003'];
    const [RSA, ECC, SHA256, NULL, P256] = words.map((word) => Buffer.from(word, 'hex'));
    const attributes = Buffer.from('000404720000', 'hex'); // attributes, and an empty policy
    const nameAlg = Buffer.from(lies.nameAlg ?? '000b', 'hex');
    const pubArea = n
      ? Buffer.concat([RSA!, nameAlg, attributes, NULL!, NULL!, Buffer.from('080000000000', 'hex'), sized(n)])
      : Buffer.concat([ECC!, nameAlg, attributes, NULL!, NULL!, P256!, NULL!, sized(x!), sized(y!)]);
    const magicAndType = Buffer.from('ff5443478017', 'hex');
    const name = sized(Buffer.concat([SHA256!, sha256(pubArea)]));
    const extraData = sized(sha256(asSigned(made, lies)));
    const certInfo = Buffer.concat([magicAndType, sized(''), extraData, Buffer.alloc(25), name, sized('')]);
    const sig = sign('sha256', certInfo, privateKey);
    return { fmt: 'tpm', statement: statementOf({ ver: '2.0', alg: -7, x5c, sig, certInfo, pubArea }, lies) };
  };

/** Puts the length before the value, which is bytes or base64url. */
function sized(value: string | Buffer): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'base64url') : value;
  return Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 0xff), bytes]);
}

/** Android's authorization list of a key: tags 1, 600 and 702. */
export interface Authorizations {
  purposes?: number[];
  allApplications?: boolean;
  origin?: number;
}

const SIGN = 2;
const GENERATED = 0;

function authorizationList({ purposes, allApplications, origin }: Authorizations): Buffer {
  const long = (tag: string, content: Buffer) =>
    Buffer.concat([Buffer.from(tag, 'hex'), Buffer.of(content.length), content]);
  return seq(
    ...(purposes ? [tagged(1, set(...purposes.map(int)))] : []),
    ...(allApplications ? [long('bf8458', Buffer.from('0500', 'hex'))] : []),
    ...(origin === undefined ? [] : [long('bf853e', int(origin))]),
  );
}

const VALID_KEY: Authorizations = { purposes: [SIGN], origin: GENERATED };

/** WebAuthn Level 3 §8.4: the certificate has the client data's hash. */
export const androidKey =
  (lies: StatementLies = {}, hardware = VALID_KEY, software: Authorizations = {}): Attest =>
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
    const { x5c } = certified({ chain, ...lies }, own, made);
    const sig = sign('sha256', asSigned(made, {}), made.privateKey);
    return { fmt: 'android-key', statement: statementOf({ alg: -7, sig, x5c }, lies) };
  };

/** WebAuthn Level 3 §8.5: Google describes the phone in a JWS. */
export const androidSafetyNet =
  (lies: StatementLies = {}, payload: object = {}): Attest =>
  (made) => {
    const own = { subject: nameOf({ CN: 'attest.android.com' }) };
    const key = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const { x5c, privateKey } = certified(lies, own, key);
    const nonce = sha256(asSigned(made, lies)).toString('base64');
    const claims = { nonce, ctsProfileMatch: true, timestampMs: Date.now() - 1000, ...payload };
    const header = { alg: 'RS256', x5c: x5c.map((each) => each.toString('base64')) };
    const signed = [header, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.');
    const signature = sign('sha256', Buffer.from(signed), privateKey).toString('base64url');
    const response = Buffer.from(`${signed}.${signature}`);
    return { fmt: 'android-safetynet', statement: statementOf({ ver: '1', response }, lies) };
  };

/** WebAuthn Level 3 §8.8: the certificate has a hash of the registration. */
export const apple =
  (lies: StatementLies = {}): Attest =>
  (made) => {
    const nonce = seq(tagged(1, octets(sha256(asSigned(made, lies)))));
    const extensions = [extension('1.2.840.113635.100.8.2', nonce)];
    const { x5c } = certified(lies, { subject: nameOf({ CN: 'Passkey' }), extensions }, made);
    return { fmt: 'apple', statement: statementOf({ x5c }, lies) };
  };

/** WebAuthn Level 3 §8.6: the signature covers only parts of the authenticator data. */
export const fidoU2f =
  (lies: StatementLies = {}): Attest =>
  ({ authenticatorData, clientDataHash, credentialId, publicKey }) => {
    const { x5c, privateKey } = certified(lies, { subject: nameOf({ CN: 'U2F' }) });
    const point = publicKey.export({ type: 'spki', format: 'der' }).subarray(-65);
    const hash = lies.clientDataHash ?? clientDataHash;
    const signed = [Buffer.of(0), authenticatorData.subarray(0, 32), hash, credentialId, point];
    const sig = sign('sha256', Buffer.concat(signed), privateKey);
    return { fmt: 'fido-u2f', statement: statementOf({ sig, x5c }, lies) };
  };
