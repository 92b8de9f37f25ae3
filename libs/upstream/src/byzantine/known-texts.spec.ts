import { describe, expect, it } from '@jest/globals';
import { errorTexts } from '../../../../apps/sandbox/src/byzantine/error-texts.js';
import { KNOWN_TEXTS, readText } from './known-texts.js';

describe('readText, which reads Byzantine’s error texts,', () => {
  // From the sandbox, because Byzantine does not document its texts.
  it.each([
    [errorTexts.missingHeader('X-Pubkey'), 'misconfigured'],
    [errorTexts.missingHeader('X-Timestamp'), 'misconfigured'],
    [errorTexts.missingHeader('X-Signature'), 'misconfigured'],
    [errorTexts.otpInvalid, 'otp_invalid'],
    [errorTexts.otpExpired, 'otp_expired'],
    [errorTexts.otpLocked, 'otp_locked'],
    [errorTexts.sessionNotFound, 'session_expired'],
    [errorTexts.sessionExpired, 'session_expired'],
    [errorTexts.credentialRegistered, 'credential_already_registered'],
    [errorTexts.tooManyAuthenticators, 'authenticator_limit'],
    [errorTexts.invalidAttestation('origin'), 'attestation_invalid'],
    [errorTexts.accountNotFound, 'subject_not_found'],
    [errorTexts.userNotFound, 'subject_not_found'],
  ])('reads "%s" as %s, in upper and lower case', (text, means) => {
    expect(readText(text)).toBe(means);
    expect(readText(text.toUpperCase())).toBe(means);
    expect(readText(`Error: ${text}.`)).toBe(means);
  });

  it.each([
    '',
    'Bad Request',
    'code',
    'invalid',
    'otp',
    errorTexts.otpUsed,
    errorTexts.otpNotFound,
    errorTexts.noAuthenticators,
  ])('does not guess what "%s" means', (text) => {
    expect(readText(text)).toBeNull();
  });

  it('searches only the first 500 characters of a text', () => {
    expect(readText(`${'x'.repeat(480)} invalid OTP code`)).toBe('otp_invalid');
    expect(readText(`${'x'.repeat(600)} invalid OTP code`)).toBeNull();
  });

  it('has a source for each text that it knows', () => {
    for (const { seen } of KNOWN_TEXTS) expect(['upstream', 'documented', 'sandbox']).toContain(seen);
  });
});
