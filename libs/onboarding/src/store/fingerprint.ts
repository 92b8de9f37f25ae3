import { Injectable } from '@nestjs/common';
import { KeyedHash } from '#libs/platform';

/**
 * Half of HMAC-SHA-256, the shortest length that RFC 2104 advises. It is short because each onboarding stores
 * a dozen fingerprints.
 */
const BYTES = 16;

/**
 * A fingerprint shows whether two submissions are the same, without storing them. It is a keyed hash: a plain
 * hash of a six-digit code could be reversed by trying all codes.
 */
@Injectable()
export class Fingerprint {
  constructor(private readonly hash: KeyedHash) {}

  /** @returns a keyed hash of the onboarding's id and the content, as base64url. */
  compute(onboardingId: string, content: string): string {
    const hash = this.hash.digest('submission fingerprint', `${onboardingId}\n${content}`);
    return hash.toString('base64url', 0, BYTES);
  }
}
