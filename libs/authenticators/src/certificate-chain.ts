import { X509Certificate } from 'node:crypto';

/**
 * Completes a chain with its root. Each certificate must be issued by the next one, and all must be valid now
 * (RFC 5280 §6.1).
 *
 * Unlike @simplewebauthn/server, requires that an issuer is a CA: an app on any Android phone gets a
 * certificate under Google's root, and could issue more with its own key.
 *
 * @param chain DER, the leaf first. The root may be missing, as on Android phones since 2026.
 * @param roots PEM
 * @returns null if the chain leads to no root
 */
export function completeChain(
  chain: readonly Uint8Array[],
  roots: readonly string[],
  now = new Date(),
): Uint8Array[] | null {
  try {
    const known = roots.map((pem) => new X509Certificate(pem)).filter((root) => isOf(root, now));
    const given = chain.map((der) => new X509Certificate(der));
    const last = given.at(-1);
    if (!last) return null;
    const root = known.find((each) => isSame(last, each)) ?? known.find((each) => isIssued(last, each));
    if (!root) return null;
    // The valid version of a root replaces an expired one.
    const below = isSame(last, root) ? given.slice(0, -1) : given;
    return isPath([...below, root], now) ? [...below, root].map(({ raw }) => raw) : null;
  } catch {
    return null; // a certificate cannot be read
  }
}

/**
 * Starts at the root, so that only keys of verified certificates are used: an attacker's key could be slow
 * enough to block the service.
 */
function isPath(path: X509Certificate[], now: Date): boolean {
  if (!path.every((each) => isOf(each, now))) return false;
  for (let at = path.length - 2; at >= 0; at--) {
    if (!isIssued(path[at]!, path[at + 1]!)) return false;
  }
  return true;
}

/**
 * Whether the last certificate is this root, or another version of it: devices keep the old certificate of a
 * renewed root (Google's root of 2016 expired in May 2026).
 */
const isSame = (last: X509Certificate, root: X509Certificate): boolean =>
  last.raw.equals(root.raw) || (last.publicKey.equals(root.publicKey) && isIssued(last, root));

const isOf = ({ validFromDate, validToDate }: X509Certificate, now: Date): boolean =>
  validFromDate <= now && now <= validToDate;

const isIssued = (certificate: X509Certificate, issuer: X509Certificate): boolean =>
  issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
