import { hash, webcrypto } from 'node:crypto';

/** Longer data goes to the thread pool: SHA-256 of 64 KiB takes some 40 µs, as long as the hand-over. */
const SHORT_BYTES = 65_536;

/** The names in WebCrypto and in node:crypto. */
const ALGORITHMS: ReadonlyMap<unknown, string> = new Map([
  ['SHA-1', 'sha1'],
  ['SHA-256', 'sha256'],
  ['SHA-384', 'sha384'],
  ['SHA-512', 'sha512'],
]);

const { subtle } = webcrypto;
const digestInPool = subtle.digest.bind(subtle);

// @simplewebauthn/server uses the global `crypto.subtle`, which waits for the thread pool. This replacement
// hashes short data at once, with the same result.
subtle.digest = async (algorithm, data) => {
  const name = ALGORITHMS.get(algorithm);
  if (
    name === undefined ||
    !ArrayBuffer.isView(data) ||
    data.buffer instanceof SharedArrayBuffer ||
    data.byteLength > SHORT_BYTES
  ) {
    return digestInPool(algorithm, data);
  }
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return new Uint8Array(hash(name, bytes, 'buffer')).buffer;
};
