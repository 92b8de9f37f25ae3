/** Has no `cause`, because parsers quote their input, which may be a private key. */
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
