import { Injectable } from '@nestjs/common';
import { KeyedHash } from '#libs/platform';

/** Half of HMAC-SHA-256, the shortest length that RFC 2104 advises: a row stores a dozen fingerprints. */
const BYTES = 16;

/**
 * Shows whether two submissions are the same, without storing them. A plain hash of a six-digit code could be
 * reversed by trying all codes, so this is a keyed hash.
 */
@Injectable()
export class Fingerprint {
  constructor(private readonly hash: KeyedHash) {}

  /** @returns base64url. */
  compute(onboardingId: string, content: string): string {
    const hash = this.hash.digest('submission fingerprint', `${onboardingId}\n${content}`);
    return hash.toString('base64url', 0, BYTES);
  }
}
