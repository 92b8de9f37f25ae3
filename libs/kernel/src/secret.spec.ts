import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { Secret, equalInConstantTime } from './secret.js';

describe('Secret', () => {
  const secret = new Secret('hunter2');

  it('shows its value only through reveal()', () => {
    const seen = [
      `${secret}`,
      JSON.stringify({ secret }),
      inspect({ secret }, { showHidden: true, depth: 9 }),
    ];
    expect(seen.join(' ')).not.toContain('hunter2');
    expect(secret.reveal()).toBe('hunter2');
  });
});

describe('equalInConstantTime', () => {
  it('compares texts of different length', () => {
    expect(equalInConstantTime('abc', 'abc')).toBe(true);
    expect(equalInConstantTime('abc', 'abd')).toBe(false);
    expect(equalInConstantTime('abc', 'abcd')).toBe(false);
  });
});
