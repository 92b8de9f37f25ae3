import type { AttestationObject } from './attestation.js';
import { EXTENSION, LeafCertificate } from './certificate.js';
import { isOwnSigningKey } from './key-description.js';
import { algorithmOf, type CoseKey } from './public-key.js';

interface Claim {
  statement: AttestationObject['statement'];
  key: CoseKey;
  chain: readonly Uint8Array[];
}

/**
 * The clauses of WebAuthn Level 3 §8 that @simplewebauthn/server does not check, or checks less strictly
 * (docs/explanation/passkeys.md).
 */
const CLAUSES = new Map<string, (claim: Claim) => boolean>([
  ['packed', (claim) => (claim.statement.has('x5c') ? isCertifiedPacked(claim) : isOfOwnAlgorithm(claim))],
  ['tpm', isTpm],
  ['android-key', isAndroidKey],
  ['fido-u2f', isFidoU2f],
]);

/**
 * @param chain DER, the leaf first; empty for self attestation
 * @returns false if a clause is not met, or if a part cannot be read
 */
export function meetsClauses(
  { format, statement }: AttestationObject,
  key: CoseKey,
  chain: readonly Uint8Array[],
): boolean {
  try {
    return CLAUSES.get(format)?.({ statement, key, chain }) ?? true;
  } catch {
    return false;
  }
}

/** WebAuthn §8.2, self attestation: statement and key must name the same algorithm. */
const isOfOwnAlgorithm = ({ statement, key }: Pick<Claim, 'statement' | 'key'>): boolean =>
  statement.get('alg') === algorithmOf(key);

/** WebAuthn §8.2.1, a packed attestation with a certificate. */
function isCertifiedPacked({ statement, chain }: Claim): boolean {
  const leaf = leafOf(chain);
  const model = leaf.extension(EXTENSION.aaguid);
  return leaf.version === 3 && leaf.isEndEntity && !model?.critical && isSigner(leaf, statement.get('alg'));
}

/** WebAuthn §8.3 and §8.3.1, TPM. The attested name must use the hash algorithm that `pubArea` names. */
function isTpm({ statement, chain }: Claim): boolean {
  const leaf = leafOf(chain);
  const [area, attested] = [statement.get('pubArea'), statement.get('certInfo')].map((each) =>
    Buffer.from(each as Uint8Array),
  );
  const hashOfArea = area!.subarray(2, 4);
  return (
    !leaf.x509.subject &&
    leaf.isEndEntity &&
    isSigner(leaf, statement.get('alg')) &&
    nameIn(attested!).subarray(0, 2).equals(hashOfArea)
  );
}

/** WebAuthn §8.4, Android key: the certificate must be for the passkey's own key. */
function isAndroidKey({ statement, key, chain }: Claim): boolean {
  const description = leafOf(chain).extension(EXTENSION.keyDescription);
  return isOfOwnAlgorithm({ statement, key }) && !!description && isOwnSigningKey(description.value);
}

/** WebAuthn §8.6, FIDO U2F: exactly one certificate, with a key on P-256, for a passkey with ES256. */
function isFidoU2f({ key, chain }: Claim): boolean {
  const { asymmetricKeyType, asymmetricKeyDetails } = leafOf(chain).x509.publicKey;
  const isP256 = asymmetricKeyType === 'ec' && asymmetricKeyDetails?.namedCurve === 'prime256v1';
  return chain.length === 1 && isP256 && algorithmOf(key) === ES256;
}

const ES256 = -7;

/** Key types by COSE algorithm (RFC 9053 §2, RFC 8812 §2). */
const KEY_TYPES = new Map<unknown, string>([
  ...[-7, -35, -36].map((alg): [number, string] => [alg, 'ec']),
  ...[-37, -38, -39, -257, -258, -259, -65535].map((alg): [number, string] => [alg, 'rsa']),
  [-8, 'ed25519'],
]);

/** Unlike @simplewebauthn/server, which would accept RS256 with a key on P-256, checks the key type. */
const isSigner = ({ x509 }: LeafCertificate, alg: unknown): boolean =>
  x509.publicKey.asymmetricKeyType === KEY_TYPES.get(alg);

const leafOf = ([der]: readonly Uint8Array[]): LeafCertificate => new LeafCertificate(der!);

/**
 * The name in a TPMS_ATTEST comes after magic, type, two sized fields, clock and firmware (TPM 2.0 part 2,
 * §10.12.8).
 */
function nameIn(attested: Buffer): Buffer {
  const sized = (at: number) => at + 2 + attested.readUInt16BE(at);
  const at = sized(sized(6)) + 25;
  return attested.subarray(at + 2, sized(at));
}
