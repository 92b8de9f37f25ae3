import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { keyObjectsMade } from '#libs/testing';
import { Sealer } from './sealer.js';

const key = (id: string) => ({ id, key: randomBytes(32) });
const place = { onboardingId: '0198-a', field: 'otp_code' };

describe('Sealer', () => {
  it('decrypts every text that it encrypted', () => {
    const sealer = new Sealer([key('a')]);
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        (text) => sealer.open(place, sealer.seal(place, text)) === text,
      ),
    );
  });

  it('encrypts the same text to other bytes each time', () => {
    const sealer = new Sealer([key('a')]);
    expect(sealer.seal(place, '123456').equals(sealer.seal(place, '123456'))).toBe(false);
  });

  it('uses each IV once', () => {
    const sealer = new Sealer([key('a')]);
    const ivs = Array.from({ length: 1_000 }, () => sealer.seal(place, '123456').toString('hex', 2, 14));
    expect(new Set(ivs).size).toBe(1_000);
  });

  it('does not decrypt a value that was moved to another onboarding or field', () => {
    const sealer = new Sealer([key('a')]);
    const sealed = sealer.seal(place, '123456');
    expect(() => sealer.open({ ...place, field: 'grant' }, sealed)).toThrow();
    expect(() => sealer.open({ ...place, onboardingId: '0198-b' }, sealed)).toThrow();
  });

  it('does not decrypt a value in which any bit was changed', () => {
    const sealer = new Sealer([key('a')]);
    const sealed = sealer.seal(place, '123456');
    fc.assert(
      fc.property(fc.nat({ max: sealed.length * 8 - 1 }), (bit) => {
        const altered = Buffer.from(sealed);
        altered[bit >> 3]! ^= 1 << (bit & 7);
        expect(() => sealer.open(place, altered)).toThrow();
      }),
    );
  });

  it('encrypts with the first key and decrypts with any configured key', () => {
    const [old, fresh] = [key('old'), key('fresh')];
    const sealed = new Sealer([old]).seal(place, 'x');
    expect(new Sealer([fresh, old]).open(place, sealed)).toBe('x');
    expect(() => new Sealer([fresh]).open(place, sealed)).toThrow(/"old", which SEALING_KEYS does not have/);
  });

  it('makes one key object for each key and reuses it', async () => {
    const made = await keyObjectsMade(() => {
      const sealer = new Sealer([key('a'), key('b')]);
      for (let n = 0; n < 3; n++) sealer.open(place, sealer.seal(place, 'x'));
      const ofRow = sealer.behind(key('@row'));
      for (let n = 0; n < 3; n++) ofRow.open(place, ofRow.seal(place, 'x'));
    });
    expect(made).toEqual({ createSecretKey: 3 });
  });
});
