import { randomBytes, sign } from 'node:crypto';
import { createPasskey, type Attest, type Cbor, type PasskeyOptions } from '../../tools/passkey.js';
import { withClientData, withMembers } from './altered.js';
import {
  ROOT,
  aaguidExtension,
  androidKey,
  androidSafetyNet,
  apple,
  fidoU2f,
  packed,
  tpm,
  type StatementLies,
} from './attestations.js';
import type { BadPasskey, Make } from './bad-passkeys.js';
import { authority, certificate, extension, keyPair, nameOf, outdated } from './certificates.js';

const attested =
  (attestation: PasskeyOptions['attestation'], more: Partial<PasskeyOptions> = {}): Make =>
  (honest) =>
    createPasskey({ ...honest, ...more, attestation: attestation! });
const format = (fmt: string): Make => attested(() => ({ fmt, statement: new Map() }));
const elsewhere: StatementLies = { clientDataHash: randomBytes(32) };
const stranger: StatementLies = { root: authority() };
const late: StatementLies = { leaf: { validFor: -1 } };
const another = authority();

/** The intermediate certificate is not a CA. */
const byNoAuthority = (make: (lies: StatementLies) => Attest, withRoot = false): Attest => {
  const { publicKey, privateKey } = keyPair();
  const name = nameOf({ CN: 'An app on a phone' });
  const middle = certificate({ publicKey, issuer: ROOT, subject: name });
  const chain = (leaf: Buffer) => [leaf, middle, ...(withRoot ? [ROOT.certificate] : [])];
  return make({ leaf: { issuer: { name, privateKey } }, chain });
};

/** A valid key: for signing, generated on the device. */
const OWN = { purposes: [2], origin: 0 };

/** A validly signed self attestation with another `alg` than the key's. */
const otherAlgorithm: Attest = ({ authenticatorData, clientDataHash, privateKey }) => {
  const sig = sign('sha256', Buffer.concat([authenticatorData, clientDataHash]), privateKey);
  return {
    fmt: 'packed',
    statement: new Map<string, Cbor>([
      ['alg', -257],
      ['sig', sig],
    ]),
  };
};

/** By attestation format. Tests must trust {@link ROOT}. */
export const BAD_STATEMENTS: BadPasskey[] = [
  ['attestation_format_unknown', 'an unknown format', format('acme')],
  [
    'attestation_format_unknown',
    'compound, whose statement is a list',
    (honest) => withMembers(honest, (map) => map.set('fmt', 'compound').set('attStmt', [])),
  ],
  ['attestation_format_unknown', 'a format in capitals', format('None')],
  [
    'attestation_statement_unexpected',
    'none: a statement that is not empty',
    attested(() => ({ fmt: 'none', statement: new Map([['sig', Buffer.of(1)]]) })),
  ],

  [
    'attestation_not_verified',
    'packed: random bytes as signature',
    attested('packed', { wrong: { signature: randomBytes(70) } }),
  ],
  [
    'attestation_not_verified',
    'packed: client data changed under its signature',
    (honest) =>
      withClientData({ ...honest, attestation: 'packed' }, (data) => JSON.stringify({ ...data, extra: 1 })),
  ],
  ['attestation_not_verified', 'packed: no statement', format('packed')],
  ['attestation_not_verified', 'packed, certified: for other client data', attested(packed(elsewhere))],
  ['attestation_not_verified', 'packed, certified: an outdated certificate', attested(packed(late))],
  [
    'attestation_not_verified',
    'packed, certified: a certificate of another kind',
    attested(packed({ leaf: { subject: nameOf({ C: 'FI', O: 'Tests', OU: 'Sales', CN: 'Key' }) } })),
  ],
  [
    'attestation_not_verified',
    'packed, certified: a CA certificate',
    attested(packed({ leaf: { ca: true } })),
  ],
  [
    'attestation_not_verified',
    'packed, certified: for another model',
    attested(packed({ leaf: { extensions: [aaguidExtension(randomBytes(16))] } })),
  ],
  ['attestation_not_verified', 'packed, certified: no certificate', attested(packed({ chain: () => [] }))],

  ['attestation_not_verified', 'packed: another algorithm than the key has', attested(otherAlgorithm)],
  [
    'attestation_not_verified',
    'packed: an empty member for certificates',
    attested((made) => {
      const { fmt, statement } = packed()(made);
      return { fmt, statement: statement.set('x5c', '') };
    }),
  ],
  [
    'attestation_not_verified',
    'packed, certified: an algorithm that its key cannot have',
    attested(packed({ statement: [['alg', -257]] })),
  ],
  [
    'attestation_not_verified',
    'packed, certified: no basic constraints',
    attested(packed({ leaf: { constraints: false } })),
  ],
  [
    'attestation_not_verified',
    'packed, certified: a critical extension for its model',
    attested((made) =>
      packed({ leaf: { extensions: [aaguidExtension(made.authenticatorData.subarray(37, 53), true)] } })(
        made,
      ),
    ),
  ],
  [
    'attestation_not_verified',
    'packed, certified: a certificate of more than 4096 bytes',
    attested(packed({ leaf: { extensions: [extension('1.2.3', Buffer.alloc(4000))] } })),
  ],
  [
    'attestation_not_verified',
    'packed, certified: a certificate of 150 extensions',
    attested(
      packed({
        leaf: { extensions: Array.from({ length: 150 }, (_, n) => extension(`1.2.${n}`, Buffer.alloc(2))) },
      }),
    ),
  ],
  [
    'attestation_not_verified',
    'packed, certified: an extension twice',
    attested(packed({ leaf: { extensions: [1, 2].map(() => extension('1.2.3', Buffer.alloc(2))) } })),
  ],
  [
    'attestation_not_verified',
    'packed, certified: eleven certificates',
    attested(packed({ chain: (leaf) => Array.from({ length: 11 }, () => leaf) })),
  ],

  ['attestation_not_verified', 'tpm: for other client data', attested(tpm(elsewhere))],
  [
    'attestation_not_verified',
    'tpm: of another key',
    (honest) =>
      withMembers(attestedWith(honest, tpm()), (map) => map.set('attStmt', statementOfAnother(honest))),
  ],
  ['attestation_not_verified', 'tpm: version 1', attested(tpm({ statement: [['ver', '1.2']] }))],
  [
    'attestation_not_verified',
    'tpm: a certificate that is not for attestation',
    attested(tpm({ leaf: { extensions: [] } })),
  ],
  [
    'attestation_not_verified',
    'tpm: a certificate with a subject',
    attested(tpm({ leaf: { subject: nameOf({ serialNumber: '1' }) } })),
  ],
  [
    'attestation_not_verified',
    'tpm: a certificate without basic constraints',
    attested(tpm({ leaf: { constraints: false } })),
  ],
  [
    'attestation_not_verified',
    'tpm: an algorithm that its key cannot have',
    attested(tpm({ statement: [['alg', -257]] })),
  ],
  [
    'attestation_not_verified',
    'tpm: a name whose hash differs from nameAlg',
    attested(tpm({ nameAlg: '000c' })),
  ],

  [
    'attestation_not_verified',
    'android-key: an imported key',
    attested(androidKey({}, { ...OWN, origin: 2 })),
  ],
  [
    'attestation_not_verified',
    'android-key: an imported key in the software list',
    attested(androidKey({}, OWN, { origin: 2 })),
  ],
  [
    'attestation_not_verified',
    'android-key: a key of no known origin',
    attested(androidKey({}, { purposes: [2] })),
  ],
  [
    'attestation_not_verified',
    'android-key: a key for encryption',
    attested(androidKey({}, { ...OWN, purposes: [0, 1] })),
  ],
  [
    'attestation_not_verified',
    'android-key: a key for signing and more',
    attested(androidKey({}, { ...OWN, purposes: [2, 3] })),
  ],
  [
    'attestation_not_verified',
    'android-key: more purposes in the software list',
    attested(androidKey({}, OWN, { purposes: [2, 1] })),
  ],
  ['attestation_not_verified', 'android-key: a key for nothing', attested(androidKey({}, { origin: 0 }))],
  [
    'attestation_not_verified',
    'android-key: a key of all apps',
    attested(androidKey({}, { ...OWN, allApplications: true })),
  ],
  [
    'attestation_not_verified',
    'android-key: a key of all apps in the software list',
    attested(androidKey({}, OWN, { allApplications: true })),
  ],
  [
    'attestation_not_verified',
    'android-key: another algorithm than the key has',
    attested(androidKey({ statement: [['alg', -257]] })),
  ],
  ['attestation_not_verified', 'android-key: for other client data', attested(androidKey(elsewhere))],
  [
    'attestation_not_verified',
    'android-key: a certificate of another key',
    attested(androidKey({ leaf: { publicKey: keyPair().publicKey } })),
  ],
  ['attestation_not_verified', 'android-key: no certificate', format('android-key')],
  ['attestation_not_trusted', 'android-key: by an unknown CA', attested(androidKey(stranger))],
  [
    'attestation_not_trusted',
    'android-key: by an issuer that is no CA',
    attested(byNoAuthority(androidKey, true)),
  ],
  [
    'attestation_not_trusted',
    'android-key: by an unknown CA whose root is outdated',
    attested(androidKey({ root: another, chain: (leaf) => [leaf, outdated(another)] })),
  ],
  [
    'attestation_not_trusted',
    'android-key: by an unknown CA, with our outdated root at the end',
    attested(androidKey({ root: another, chain: (leaf) => [leaf, outdated(ROOT)] })),
  ],
  [
    'attestation_not_trusted',
    'android-key: an outdated certificate below an outdated root',
    attested(androidKey({ ...late, chain: (leaf) => [leaf, outdated(ROOT)] })),
  ],
  ['attestation_not_trusted', 'android-key: an outdated certificate', attested(androidKey(late))],

  [
    'attestation_not_verified',
    'android-safetynet: for other client data',
    attested(androidSafetyNet(elsewhere)),
  ],
  [
    'attestation_not_verified',
    'android-safetynet: from yesterday',
    attested(androidSafetyNet({}, { timestampMs: Date.now() - 86_400_000 })),
  ],
  [
    'attestation_not_verified',
    'android-safetynet: a phone that was tampered with',
    attested(androidSafetyNet({}, { ctsProfileMatch: false })),
  ],
  [
    'attestation_not_verified',
    'android-safetynet: a certificate for another site',
    attested(androidSafetyNet({ leaf: { subject: nameOf({ CN: 'evil.com' }) } })),
  ],
  ['attestation_not_verified', 'android-safetynet: no answer', format('android-safetynet')],
  ['attestation_not_trusted', 'android-safetynet: by an unknown CA', attested(androidSafetyNet(stranger))],

  ['attestation_not_verified', 'apple: for other client data', attested(apple(elsewhere))],
  [
    'attestation_not_verified',
    'apple: a certificate of another key',
    attested(apple({ leaf: { publicKey: keyPair().publicKey } })),
  ],
  ['attestation_not_trusted', 'apple: by an unknown CA', attested(apple(stranger))],
  ['attestation_not_trusted', 'apple: by an issuer that is no CA', attested(byNoAuthority(apple))],
  ['attestation_not_trusted', 'apple: no certificate', attested(apple({ chain: () => [] }))],

  ['attestation_not_verified', 'fido-u2f: for other client data', attested(fidoU2f(elsewhere))],
  [
    'attestation_not_verified',
    'fido-u2f: with an AAGUID, which U2F does not have',
    attested(fidoU2f(), { wrong: { aaguid: randomBytes(16) } }),
  ],
  [
    'attestation_not_verified',
    'fido-u2f: two certificates',
    attested(fidoU2f({ chain: (leaf) => [leaf, ROOT.certificate] })),
  ],
  [
    'attestation_not_verified',
    'fido-u2f: a certificate on another curve',
    attested(fidoU2f({ key: keyPair('P-384') })),
  ],
  ['attestation_not_verified', 'fido-u2f: of an RSA key', attested(fidoU2f(), { alg: -257 })],
  ['attestation_not_verified', 'fido-u2f: no certificate', format('fido-u2f')],
];

const attestedWith = (honest: PasskeyOptions, attestation: Attest): PasskeyOptions => ({
  ...honest,
  attestation,
});

function statementOfAnother(honest: PasskeyOptions): unknown {
  let statement: unknown;
  withMembers(attestedWith(honest, tpm()), (map) => (statement = map.get('attStmt')));
  return statement;
}
