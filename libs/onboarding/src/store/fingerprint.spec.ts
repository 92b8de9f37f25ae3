import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { KeyedHash } from '#libs/platform';
import { Fingerprint } from './fingerprint.js';

const keyed = (byte: number) => new Fingerprint(new KeyedHash(Buffer.alloc(32, byte)));

describe('Fingerprint', () => {
  it('is the same for the same submission, even in another process', () => {
    expect(keyed(1).compute('a', '123456')).toBe(keyed(1).compute('a', '123456'));
  });

  it('differs for other content, for another onboarding and under another key', () => {
    const prints = [
      keyed(1).compute('a', '123456'),
      keyed(1).compute('a', '123457'),
      keyed(1).compute('b', '123456'),
      keyed(2).compute('a', '123456'),
    ];
    expect(new Set(prints).size).toBe(prints.length);
  });

  it('does not reveal the length of the content: it always has 128 bits', () => {
    const print = keyed(1);
    fc.assert(
      fc.property(fc.string(), (content) => {
        expect(print.compute('a', content)).toMatch(/^[A-Za-z0-9_-]{22}$/);
      }),
    );
  });
});
