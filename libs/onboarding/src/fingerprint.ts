import { createHmac, hkdfSync } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '#libs/platform';

/**
 * Tells whether two submissions are the same without keeping them. Keyed, because a six-digit code would be
 * found from a plain hash by trying them all.
 */
@Injectable()
export class Fingerprint {
  readonly #key: Buffer;

  constructor(@Inject(CONFIG) config: Config) {
    const sealing = config.SEALING_KEYS[0]!.key;
    this.#key = Buffer.from(hkdfSync('sha256', sealing, '', 'gangway submission fingerprint', 32));
  }

  /** @returns HMAC-SHA-256 (RFC 2104) of the onboarding's id and the content, as base64url. */
  of(onboardingId: string, content: string): string {
    return createHmac('sha256', this.#key).update(`${onboardingId}\n${content}`).digest('base64url');
  }
}
