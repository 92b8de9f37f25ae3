import { hash, webcrypto } from 'node:crypto';

/**
 * The thread pool hashes longer data, because SHA-256 of 64 KiB takes some 40 µs, as long as the hand-over to
 * a thread.
 */
const SHORT_BYTES = 65_536;

/** WebCrypto's names of the algorithms, and those of node:crypto. */
const ALGORITHMS: ReadonlyMap<unknown, string> = new Map([
  ['SHA-1', 'sha1'],
  ['SHA-256', 'sha256'],
  ['SHA-384', 'sha384'],
  ['SHA-512', 'sha512'],
]);

const { subtle } = webcrypto;
const digestInPool = subtle.digest.bind(subtle);

// @simplewebauthn/server hashes short data with the global `crypto.subtle`, so it waits for the thread pool.
// This function replaces the global one: it hashes short data immediately, with the same result.
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
