import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { testConfig } from '#libs/testing';
import { Fingerprint } from './fingerprint.js';

const keyed = (byte: number) =>
  new Fingerprint(testConfig({ SEALING_KEYS: `k:${Buffer.alloc(32, byte).toString('base64')}` }));

describe('Fingerprint', () => {
  it('is the same for the same submission, in another process too', () => {
    expect(keyed(1).of('a', '123456')).toBe(keyed(1).of('a', '123456'));
  });

  it('differs by content, by onboarding and by key', () => {
    const prints = [
      keyed(1).of('a', '123456'),
      keyed(1).of('a', '123457'),
      keyed(1).of('b', '123456'),
      keyed(2).of('a', '123456'),
    ];
    expect(new Set(prints).size).toBe(prints.length);
  });

  it('tells nothing of its content: 256 bits, whatever is put in', () => {
    const print = keyed(1);
    fc.assert(
      fc.property(fc.string(), (content) => {
        expect(print.of('a', content)).toMatch(/^[A-Za-z0-9_-]{43}$/);
      }),
    );
  });

  it('follows the key that seals, the first of the ring', () => {
    const [one, two] = [1, 2].map((byte) => `k${byte}:${Buffer.alloc(32, byte).toString('base64')}`);
    const of = (keys: string) => new Fingerprint(testConfig({ SEALING_KEYS: keys })).of('a', 'x');
    expect(of(`${one},${two}`)).toBe(of(one!));
    expect(of(`${two},${one}`)).toBe(of(two!));
  });
});
