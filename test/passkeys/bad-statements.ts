import { randomBytes } from 'node:crypto';
import { createPasskey, type Attest, type PasskeyOptions } from '../../tools/passkey.js';
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
import { authority, certificate, keyPair, nameOf, outdated } from './certificates.js';

const attested = (attestation: PasskeyOptions['attestation'], more: Partial<PasskeyOptions> = {}): Make => (honest) => createPasskey({ ...honest, ...more, attestation: attestation! }); // prettier-ignore
const format = (fmt: string): Make => attested(() => ({ fmt, statement: new Map() }));
/** Nothing changed but that it is signed for other client data. */
const elsewhere: StatementLies = { clientDataHash: randomBytes(32) };
const stranger: StatementLies = { root: authority() };
const late: StatementLies = { leaf: { validFor: -1 } };
const another = authority();

/** The leaf was issued by somebody whom the root has given a certificate, but not to issue any. */
const byNoAuthority = (make: (lies: StatementLies) => Attest, withRoot = false): Attest => {
  const { publicKey, privateKey } = keyPair();
  const name = nameOf({ CN: 'An app on somebody’s phone' });
  const middle = certificate({ publicKey, issuer: ROOT, subject: name });
  const chain = (leaf: Buffer) => [leaf, middle, ...(withRoot ? [ROOT.certificate] : [])];
  return make({ leaf: { issuer: { name, privateKey } }, chain });
};

/** What is wrong with attestations, by their formats. ROOT is trusted here, as far as a format asks for it. */
export const BAD_STATEMENTS: BadPasskey[] = [
  ['attestation_format_unknown', 'a format of somebody’s own', format('acme')],
  ['attestation_format_unknown', 'a format in capitals', format('None')],
  ['attestation_statement_unexpected', 'a statement to no attestation', attested(() => ({ fmt: 'none', statement: new Map([['sig', Buffer.of(1)]]) }))], // prettier-ignore

  ['attestation_not_verified', 'packed: a signature that is none', attested('packed', { wrong: { signature: randomBytes(70) } })], // prettier-ignore
  ['attestation_not_verified', 'packed: client data changed under its signature', (honest) => withClientData({ ...honest, attestation: 'packed' }, (data) => JSON.stringify({ ...data, extra: 1 }))], // prettier-ignore
  ['attestation_not_verified', 'packed: no statement', format('packed')],
  ['attestation_not_verified', 'packed, certified: for other client data', attested(packed(elsewhere))],
  ['attestation_not_verified', 'packed, certified: an outdated certificate', attested(packed(late))],
  ['attestation_not_verified', 'packed, certified: a certificate of another kind', attested(packed({ leaf: { subject: nameOf({ C: 'FI', O: 'Tests', OU: 'Sales', CN: 'Key' }) } }))], // prettier-ignore
  ['attestation_not_verified', 'packed, certified: by a CA itself', attested(packed({ leaf: { ca: true } }))],
  ['attestation_not_verified', 'packed, certified: for another model', attested(packed({ leaf: { extensions: [aaguidExtension(randomBytes(16))] } }))], // prettier-ignore
  ['attestation_not_verified', 'packed, certified: no certificate', attested(packed({ chain: () => [] }))],

  ['attestation_not_verified', 'tpm: for other client data', attested(tpm(elsewhere))],
  ['attestation_not_verified', 'tpm: of another key', (honest) => withMembers(attestedWith(honest, tpm()), (map) => map.set('attStmt', statementOfAnother(honest)))], // prettier-ignore
  ['attestation_not_verified', 'tpm: version 1', attested(tpm({ statement: [['ver', '1.2']] }))],
  ['attestation_not_verified', 'tpm: a certificate that is not for attestation', attested(tpm({ leaf: { extensions: [] } }))], // prettier-ignore

  ['attestation_not_verified', 'android-key: for other client data', attested(androidKey(elsewhere))],
  ['attestation_not_verified', 'android-key: a certificate of another key', attested(androidKey({ leaf: { publicKey: keyPair().publicKey } }))], // prettier-ignore
  ['attestation_not_verified', 'android-key: no certificate', format('android-key')],
  ['attestation_not_trusted', 'android-key: by a stranger', attested(androidKey(stranger))],
  ['attestation_not_trusted', 'android-key: by somebody whom the root knows, and who is no CA', attested(byNoAuthority(androidKey, true))], // prettier-ignore
  ['attestation_not_trusted', 'android-key: by a stranger whose root is outdated', attested(androidKey({ root: another, chain: (leaf) => [leaf, outdated(another)] }))], // prettier-ignore
  ['attestation_not_trusted', 'android-key: by a stranger, with the root of before at its end', attested(androidKey({ root: another, chain: (leaf) => [leaf, outdated(ROOT)] }))], // prettier-ignore
  ['attestation_not_trusted', 'android-key: an outdated certificate before the root of before', attested(androidKey({ ...late, chain: (leaf) => [leaf, outdated(ROOT)] }))], // prettier-ignore
  ['attestation_not_trusted', 'android-key: an outdated certificate', attested(androidKey(late))],

  ['attestation_not_verified', 'android-safetynet: for other client data', attested(androidSafetyNet(elsewhere))], // prettier-ignore
  ['attestation_not_verified', 'android-safetynet: of yesterday', attested(androidSafetyNet({}, { timestampMs: Date.now() - 86_400_000 }))], // prettier-ignore
  ['attestation_not_verified', 'android-safetynet: a phone that was tampered with', attested(androidSafetyNet({}, { ctsProfileMatch: false }))], // prettier-ignore
  ['attestation_not_verified', 'android-safetynet: a certificate for another site', attested(androidSafetyNet({ leaf: { subject: nameOf({ CN: 'evil.com' }) } }))], // prettier-ignore
  ['attestation_not_verified', 'android-safetynet: no answer', format('android-safetynet')],
  ['attestation_not_trusted', 'android-safetynet: by a stranger', attested(androidSafetyNet(stranger))],

  ['attestation_not_verified', 'apple: for other client data', attested(apple(elsewhere))],
  ['attestation_not_verified', 'apple: a certificate of another key', attested(apple({ leaf: { publicKey: keyPair().publicKey } }))], // prettier-ignore
  ['attestation_not_trusted', 'apple: by a stranger', attested(apple(stranger))],
  ['attestation_not_trusted', 'apple: by somebody whom the root knows, and who is no CA', attested(byNoAuthority(apple))], // prettier-ignore
  ['attestation_not_trusted', 'apple: no certificate at all', attested(apple({ chain: () => [] }))],

  ['attestation_not_verified', 'fido-u2f: for other client data', attested(fidoU2f(elsewhere))],
  ['attestation_not_verified', 'fido-u2f: with a model, which U2F does not know', attested(fidoU2f(), { wrong: { aaguid: randomBytes(16) } })], // prettier-ignore
  ['attestation_not_verified', 'fido-u2f: no certificate', format('fido-u2f')],
];

const attestedWith = (honest: PasskeyOptions, attestation: Attest): PasskeyOptions => ({ ...honest, attestation }); // prettier-ignore

function statementOfAnother(honest: PasskeyOptions): unknown {
  let statement: unknown;
  withMembers(attestedWith(honest, tpm()), (map) => (statement = map.get('attStmt')));
  return statement;
}
