import { Injectable } from '@nestjs/common';
import { KeyedHash } from '#libs/platform';

/**
 * Tells whether two submissions are the same without keeping them. Keyed, because a six-digit code would be
 * found from a plain hash by trying them all.
 */
@Injectable()
export class Fingerprint {
  constructor(private readonly hash: KeyedHash) {}

  /** @returns a keyed hash of the onboarding's id and the content, as base64url. */
  of(onboardingId: string, content: string): string {
    return this.hash.of('submission fingerprint', `${onboardingId}\n${content}`).toString('base64url');
  }
}
