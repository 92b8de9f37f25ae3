import { X509Certificate } from 'node:crypto';

/**
 * Whether each certificate was issued by the one after it, the last by a root or is one, and all are of today (RFC 5280 §6.1).
 *
 * @simplewebauthn/server looks at signatures alone: an app on any Android phone gets a certificate under Google's root, and
 * could issue others with its key. So an issuer must be a CA here.
 *
 * @param chain DER, the leaf first.
 * @param roots PEM.
 */
export function leadsToRoot(
  chain: readonly Uint8Array[],
  roots: readonly string[],
  now = new Date(),
): boolean {
  try {
    const certificates = withRootOfToday(chain, roots, now).map((der) => new X509Certificate(der));
    const last = certificates.at(-1);
    if (!last || !certificates.every((each) => isOf(each, now))) return false;
    const linked = certificates.slice(1).every((issuer, index) => isIssued(certificates[index]!, issuer));
    return linked && roots.map((pem) => new X509Certificate(pem)).some((root) => endsAt(last, root, now));
  } catch {
    return false; // no certificate, or one that cannot be read
  }
}

/**
 * What signs itself with the key of a root is that root, and not a certificate to be dated: vendors renew a root with its key, and
 * devices carry the one of before for all their life. Google's of 2016 ended in May 2026.
 *
 * @param chain DER, the leaf first.
 * @param roots PEM; the first of that key that is good takes its place.
 * @throws Error where something is no certificate.
 */
export function withRootOfToday(
  chain: readonly Uint8Array[],
  roots: readonly string[],
  now = new Date(),
): readonly Uint8Array[] {
  if (chain.length < 2) return chain;
  const last = new X509Certificate(chain.at(-1)!);
  if (!isIssued(last, last)) return chain;
  const root = roots
    .map((pem) => new X509Certificate(pem))
    .find((each) => isOf(each, now) && each.publicKey.equals(last.publicKey));
  return root ? [...chain.slice(0, -1), root.raw] : chain;
}

const isOf = ({ validFromDate, validToDate }: X509Certificate, now: Date): boolean =>
  validFromDate <= now && now <= validToDate;

const isIssued = (certificate: X509Certificate, issuer: X509Certificate): boolean =>
  issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);

const endsAt = (last: X509Certificate, root: X509Certificate, now: Date): boolean =>
  isOf(root, now) && (last.raw.equals(root.raw) || isIssued(last, root));
