import { describe, expect, it } from '@jest/globals';
import { refusals } from '../../../../apps/sandbox/src/turnkey/refusals.js';
import { TurnkeyRefusal } from '../../../../apps/sandbox/src/turnkey/turnkey-refusal.js';
import { readRefusal, type Meaning } from './known-texts.js';

describe('readRefusal, which reads Turnkey’s errors,', () => {
  it.each<[TurnkeyRefusal, Meaning]>([
    [refusals.rateLimited(), 'throttled'],
    [new TurnkeyRefusal(429, 'organization is over its allotted quota'), 'throttled'],
    [
      new TurnkeyRefusal(429, 'Too many requests for this type of activity. Please wait a few minutes'),
      'throttled',
    ],
    [new TurnkeyRefusal(429, 'Resource exhausted; please wait a minute and try again.'), 'throttled'],
    [refusals.tooManyOtps(), 'throttled'],
    [refusals.tooManyAuthenticators(), 'authenticator_limit'],
    [refusals.timestampPast(), 'not_current'],
    [refusals.timestampFuture(), 'not_current'],
    [refusals.malformedOrganizationId(), 'organization_unknown'],
    [refusals.organizationMismatch('a', 'b'), 'organization_unknown'],
    [refusals.organizationNotFound(), 'organization_unknown'],
    [refusals.invalidEmail(), 'contact_invalid'],
    [refusals.invalidAttestation('flags'), 'attestation_invalid'],
    [refusals.credentialRegistered(), 'credential_already_registered'],
    [refusals.otpInvalid(), 'otp_invalid'],
    [refusals.otpExpired(), 'otp_expired'],
    [refusals.otpLocked(), 'otp_locked'],
    [refusals.otpUsed(), 'otp_expired'],
    [refusals.otpNotFound(), 'otp_expired'],
    [refusals.otpGeneration(), 'otp_expired'],
    [refusals.tokenExpired(), 'token_over'],
    [refusals.tokenInvalid(), 'token_over'],
    [refusals.tokenGeneration(), 'token_over'],
    [refusals.tokenUsed(), 'token_used'],
    [refusals.userNotFound(), 'subject_not_found'],
    [refusals.contactUnknown(), 'subject_not_found'],
    [refusals.captchaMissing(), 'captcha_required'],
    [new TurnkeyRefusal(400, 'captcha verification failed'), 'captcha_required'],
    [new TurnkeyRefusal(429, 'user has exceeded maximum api keys (10)'), 'resource_limit'],
    [refusals.originNotAllowed(), 'origin_refused'],
  ])('reads "%s" as %s, also by its text alone, in upper and lower case', ({ message, errorCode }, means) => {
    expect(readRefusal({ code: errorCode, text: message })).toBe(means);
    expect(readRefusal({ code: null, text: message.toUpperCase() })).toBe(means);
    expect(readRefusal({ code: null, text: `error: ${message}.` })).toBe(means);
  });

  it('recognizes a known turnkeyErrorCode, whatever the text is', () => {
    expect(readRefusal({ code: 'MAX_OTP_INITIATED', text: 'please be patient' })).toBe('throttled');
    expect(readRefusal({ code: 'ORGANIZATION_NOT_FOUND', text: '' })).toBe('organization_unknown');
    expect(readRefusal({ code: 'REQUEST_NOT_AUTHORIZED', text: '' })).toBe('not_permitted');
    expect(readRefusal({ code: 'PUBLIC_KEY_NOT_FOUND', text: '' })).toBe('key_refused');
    expect(readRefusal({ code: 'INVALID_FQDN', text: '' })).toBe('contact_invalid');
    expect(readRefusal({ code: 'INVALID_ORGANIZATION_ID', text: '' })).toBe('organization_unknown');
    expect(readRefusal({ code: 'API_KEY_EXPIRED', text: '' })).toBe('key_refused');
    expect(readRefusal({ code: 'SIGNATURE_INVALID', text: '' })).toBeNull();
  });

  it.each([
    '',
    'otp',
    'invalid',
    refusals.badRequest('otpType').message,
    refusals.bundleInvalid('json').message,
    refusals.clientSignatureInvalid('scheme').message,
    refusals.noAuthenticators().message,
    refusals.keyExpired().message,
    refusals.keyNotFound().message,
    refusals.notAuthorized().message,
    refusals.noRoute().message,
  ])('does not guess what "%s" means', (text) => {
    expect(readRefusal({ code: 'REQUEST_INVALID', text })).toBeNull();
  });

  it('searches only the first 500 characters of a text', () => {
    expect(readRefusal({ code: null, text: `${'x'.repeat(480)} invalid OTP code` })).toBe('otp_invalid');
    expect(readRefusal({ code: null, text: `${'x'.repeat(600)} invalid OTP code` })).toBeNull();
  });
});
