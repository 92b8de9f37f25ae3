export class RemoteKeyError extends Error {
  constructor(
    readonly source: string,
    readonly reason: string,
    options?: ErrorOptions,
  ) {
    super(`${source} does not name a usable P-256 key at AWS KMS: ${reason}`, options);
    this.name = 'RemoteKeyError';
  }
}
