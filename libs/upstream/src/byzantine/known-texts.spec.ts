import { describe, expect, it } from '@jest/globals';
import { errorTexts } from '../../../../apps/sandbox/src/byzantine/error-texts.js';
import { KNOWN_TEXTS, readText } from './known-texts.js';

describe('readText', () => {
  // All that is known today is what our own sandbox says; these are its very words.
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
  ])('knows "%s" as %s, in any case', (text, means) => {
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
  ])('makes nothing of "%s": better unclear than guessed', (text) => {
    expect(readText(text)).toBeNull();
  });

  it('reads a sentence, and searches no page', () => {
    expect(readText(`${'x'.repeat(480)} invalid OTP code`)).toBe('otp_invalid');
    expect(readText(`${'x'.repeat(600)} invalid OTP code`)).toBeNull();
  });

  it('says of each text where it was seen', () => {
    for (const { seen } of KNOWN_TEXTS) expect(['upstream', 'documented', 'sandbox']).toContain(seen);
  });
});
