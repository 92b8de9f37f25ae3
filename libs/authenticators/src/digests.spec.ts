import { createHash, webcrypto } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import './digests.js';

const { subtle } = webcrypto;
const names = [
  ['SHA-1', 'sha1'],
  ['SHA-256', 'sha256'],
  ['SHA-384', 'sha384'],
  ['SHA-512', 'sha512'],
] as const;
const bytes = (length: number) => Uint8Array.from({ length }, (_, index) => index * 7);
const hexOf = (digest: ArrayBuffer) => Buffer.from(digest).toString('hex');
const expected = (name: string, data: Uint8Array) => createHash(name).update(data).digest('hex');

describe('crypto.subtle.digest', () => {
  it.each(names.flatMap((each) => [0, 1, 300, 65_536, 65_537].map((size) => [...each, size] as const)))(
    'gives the same %s as node:crypto (%s) for %i bytes',
    async (algorithm, name, size) => {
      const data = bytes(size);
      expect(hexOf(await subtle.digest(algorithm, data))).toBe(expected(name, data));
    },
  );

  it('hashes the bytes of a view, or a whole buffer', async () => {
    const { buffer } = bytes(100);
    const part = new Uint8Array(buffer, 10, 20);
    expect(hexOf(await subtle.digest('SHA-256', part))).toBe(expected('sha256', part));
    const view = new DataView(buffer, 10, 20);
    expect(hexOf(await subtle.digest('SHA-256', view))).toBe(expected('sha256', part));
    expect(hexOf(await subtle.digest('SHA-256', buffer))).toBe(expected('sha256', bytes(100)));
  });

  it('hashes short data before the next turn of the event loop', async () => {
    const first = await Promise.race([
      subtle.digest('SHA-256', bytes(300)).then(() => 'digest'),
      new Promise((resolve) => setImmediate(resolve, 'next turn')),
    ]);
    expect(first).toBe('digest');
  });

  it('takes algorithms as objects, and refuses what Node.js refuses', async () => {
    const data = bytes(300);
    expect(hexOf(await subtle.digest({ name: 'SHA-256' }, data))).toBe(expected('sha256', data));
    const shared = new Uint8Array(new SharedArrayBuffer(8)) as unknown as Uint8Array<ArrayBuffer>;
    await expect(subtle.digest('SHA-256', shared)).rejects.toThrow(TypeError);
    await expect(subtle.digest('MD5', data)).rejects.toThrow('Unrecognized algorithm name');
    await expect(subtle.digest('SHA-256', 'text' as unknown as ArrayBuffer)).rejects.toThrow(TypeError);
  });
});
