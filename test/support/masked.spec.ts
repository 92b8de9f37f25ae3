import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { masked } from './masked.js';

const bytes = fc.integer({ min: 16, max: 64 }).map((length) => randomBytes(length).toString('base64url'));

describe('masked', () => {
  it('hides random bytes, even if their base64url looks like a word', () => {
    expect(masked(0, { credentialId: 'JUAfFsnnPmYNqOouSXaqzQ' })).toBe('{credentialId: ~}');
    fc.assert(
      fc.property(bytes, (credentialId) => masked(0, { credentialId }) === '{credentialId: ~}'),
      {
        numRuns: 2000,
      },
    );
  });

  it('keeps words', () => {
    expect(masked(0, { code: 'credential_already_registered' })).toBe(
      '{code: credential_already_registered}',
    );
  });
});
