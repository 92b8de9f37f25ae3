import { describe, expect, it } from '@jest/globals';
import { Integrations, type Integration } from './integrations.js';
import { SigningKeys } from './transport/signing-keys.js';

const one = { name: 'byzantine' } as Integration;
const other = { name: 'other' } as Integration;

describe('the configured integrations', () => {
  it('are found by name; an unknown name returns null', () => {
    const integrations = new Integrations([one, other]);
    expect(integrations.find('other')).toBe(other);
    expect(integrations.find('of-the-past')).toBeNull();
    expect(integrations.all()).toEqual([one, other]);
  });

  it('close the connections of their signers at shutdown', () => {
    const closed: string[] = [];
    const signerOf = (name: string) => ({
      publicKeyCompressedHex: name,
      sign: () => new Uint8Array(),
      close: () => closed.push(name),
    });
    const keys = new SigningKeys([signerOf('first'), signerOf('second')]);
    new Integrations([
      { ...one, keys },
      { ...other, keys: null },
    ]).onApplicationShutdown();
    expect(closed).toEqual(['first', 'second']);
  });

  it('have a default for requests without a name, if there is exactly one integration', () => {
    expect(new Integrations([one]).only()).toBe(one);
    expect(new Integrations([one, other]).only()).toBeNull();
    expect(new Integrations([]).only()).toBeNull();
  });
});
