/**
 * A key that must not be used. The message names the source of the key and the fault. The error has no
 * `cause`, because parsers quote their input (`JSON.parse` and node:crypto's JWK import both do). Here the
 * input is a private key, or it may be a private key by mistake.
 */
export class InvalidKeyError extends Error {
  /** The variable or file that contained the key. */
  readonly source: string;
  readonly reason: string;

  constructor(source: string, reason: string, half: 'private' | 'public' = 'private') {
    super(`${source} does not hold a usable P-256 ${half} key: ${reason}`);
    this.name = 'InvalidKeyError';
    this.source = source;
    this.reason = reason;
  }
}
