import { describe, expect, it } from '@jest/globals';
import { byzantineSchemas } from './byzantine-schemas.js';

const uuid = '550e8400-e29b-41d4-a716-446655440000';
const creation = {
  sessionId: uuid,
  accountId: uuid,
  userId: uuid,
  authenticators: [
    {
      authenticatorName: 'phone',
      challenge: 'AQID',
      attestation: {
        credentialId: 'AQ',
        clientDataJson: 'e30',
        attestationObject: 'oA',
        transports: ['Unknown'],
      },
    },
  ],
};

describe("Byzantine's schemas", () => {
  it('find no fault in good bodies', () => {
    expect(byzantineSchemas.check('init-otp', 'request', { accountId: uuid, userId: uuid })).toEqual([]);
    expect(byzantineSchemas.check('create-authenticators-otp', 'request', creation)).toEqual([]);
    expect(byzantineSchemas.check('error', 'response', { error: 'no', status: 400 })).toEqual([]);
  });

  it('name all faults of bad bodies', () => {
    expect(byzantineSchemas.check('init-otp', 'request', { accountId: 'x' })).toEqual([
      "must have required property 'userId'",
      '/accountId must match format "uuid"',
    ]);
    const bad = structuredClone(creation);
    bad.authenticators[0]?.attestation.transports.push('internal');
    expect(byzantineSchemas.check('create-authenticators-otp', 'request', bad)).toEqual([
      '/authenticators/0/attestation/transports/1 must be equal to one of the allowed values',
    ]);
    expect(byzantineSchemas.check('otp-auth', 'response', '<html>')).toEqual(['must be object']);
    expect(byzantineSchemas.check('error', 'response', { error: 'no', status: 4e9 })).toHaveLength(1);
  });

  it('throw if an operation has no body in the given direction', () => {
    expect(() => byzantineSchemas.check('health', 'request', {})).toThrow('health has no request body');
  });
});
