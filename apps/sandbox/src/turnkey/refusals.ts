import { RATE_LIMITED, TurnkeyRefusal } from './turnkey-refusal.js';

/**
 * Turnkey documents the texts and codes of the first block, except two texts about OTPs, which users of
 * Turnkey have reported.
 */
export const refusals = {
  badRequest: (detail: string) => new TurnkeyRefusal(400, `bad request body: ${detail}`, 'REQUEST_INVALID'),
  timestampPast: () => new TurnkeyRefusal(400, 'activity timestamp is not current', 'REQUEST_INVALID'),
  timestampFuture: () => new TurnkeyRefusal(400, 'activity timestamp is in the future', 'REQUEST_INVALID'),
  malformedOrganizationId: () =>
    new TurnkeyRefusal(400, 'malformed organization ID provided', 'INVALID_ORGANIZATION_ID'),
  organizationMismatch: (targeted: string, voting: string) =>
    new TurnkeyRefusal(
      400,
      `organization mismatch: request is targeting organization ("${targeted}"), ` +
        `but voters are in organization ("${voting}")`,
      'ORGANIZATION_MISMATCH',
    ),
  organizationNotFound: () =>
    new TurnkeyRefusal(404, 'no organization found with the given ID', 'ORGANIZATION_NOT_FOUND'),
  invalidEmail: () => new TurnkeyRefusal(400, 'invalid email address', 'INVALID_EMAIL'),
  stampMissing: () =>
    new TurnkeyRefusal(401, 'no valid authentication signature found for request', 'SIGNATURE_MISSING'),
  stampMalformed: () => new TurnkeyRefusal(401, 'malformed activity stamp', 'SIGNATURE_INVALID'),
  keyNotFound: () =>
    new TurnkeyRefusal(
      401,
      'could not find public key in organization or its parent organization',
      'PUBLIC_KEY_NOT_FOUND',
    ),
  keyExpired: () => new TurnkeyRefusal(401, 'expired api key', 'API_KEY_EXPIRED'),
  apiKeySignature: () => new TurnkeyRefusal(401, 'could not verify api key signature', 'SIGNATURE_INVALID'),
  webauthnSignature: () =>
    new TurnkeyRefusal(401, 'could not verify WebAuthN signature', 'SIGNATURE_INVALID'),
  authenticatorNotFound: () =>
    new TurnkeyRefusal(404, 'webauthn authenticator not found in organization', 'CREDENTIAL_NOT_FOUND'),
  stampingAuthenticatorNotFound: () =>
    new TurnkeyRefusal(
      404,
      'webauthn authenticator not found in organization or parent organization',
      'CREDENTIAL_NOT_FOUND',
    ),
  notAuthorized: () => new TurnkeyRefusal(403, 'request not authorized', 'REQUEST_NOT_AUTHORIZED'),
  rateLimited: () => new TurnkeyRefusal(429, RATE_LIMITED, 'RATE_LIMIT_EXCEEDED'),
  tooManyAuthenticators: () => new TurnkeyRefusal(429, 'user has exceeded maximum authenticators'),
  invalidAttestation: (reason: string) =>
    new TurnkeyRefusal(400, `invalid authenticator attestation: ${reason}`, 'REQUEST_INVALID'),
  otpInvalid: () => new TurnkeyRefusal(400, 'invalid OTP code'),
  tooManyOtps: () =>
    new TurnkeyRefusal(
      400,
      'Max number of OTPs have been initiated please wait and try again',
      'MAX_OTP_INITIATED',
    ),
  internal: () => new TurnkeyRefusal(500, 'internal server error', 'INTERNAL'),

  // The texts and codes from here on are assumptions of this sandbox. The real API may differ.
  noRoute: () => new TurnkeyRefusal(404, 'Not Found'),
  wrongMethod: () => new TurnkeyRefusal(405, 'Method Not Allowed'),
  activityNotFound: () => new TurnkeyRefusal(404, 'no activity found'),
  userNotFound: () => new TurnkeyRefusal(404, 'no user found'),
  contactUnknown: () => new TurnkeyRefusal(404, 'no user found with the verified contact'),
  contactMismatch: () => new TurnkeyRefusal(400, 'contact is not that of the verification token'),
  otpNotFound: () => new TurnkeyRefusal(400, 'OTP not found'),
  otpExpired: () => new TurnkeyRefusal(400, 'expired OTP code'),
  otpLocked: () => new TurnkeyRefusal(400, 'OTP code is locked: too many attempts'),
  otpUsed: () => new TurnkeyRefusal(400, 'OTP code already used'),
  otpGeneration: () => new TurnkeyRefusal(400, 'OTP was initiated by another generation of activities'),
  bundleInvalid: (reason: string) => new TurnkeyRefusal(400, `invalid encrypted OTP bundle: ${reason}`),
  tokenInvalid: () => new TurnkeyRefusal(400, 'invalid verification token'),
  tokenExpired: () => new TurnkeyRefusal(400, 'expired verification token'),
  tokenUsed: () => new TurnkeyRefusal(400, 'verification token already used'),
  tokenGeneration: () => new TurnkeyRefusal(400, 'verification token of another generation of activities'),
  clientSignatureMissing: () => new TurnkeyRefusal(400, 'missing client signature', 'SIGNATURE_MISSING'),
  clientSignatureInvalid: (reason: string) =>
    new TurnkeyRefusal(400, `invalid client signature: ${reason}`, 'SIGNATURE_INVALID'),
  credentialRegistered: () => new TurnkeyRefusal(400, 'authenticator credential already registered'),
  noAuthenticators: () =>
    new TurnkeyRefusal(400, 'at least one authenticator is required', 'REQUEST_INVALID'),
  configIdMissing: () => new TurnkeyRefusal(401, 'missing X-Auth-Proxy-Config-Id header'),
  configIdUnknown: () => new TurnkeyRefusal(401, 'unknown auth proxy config id'),
  originNotAllowed: () => new TurnkeyRefusal(403, 'origin is not allowed'),
  captchaMissing: () => new TurnkeyRefusal(403, 'X-Captcha-Token header is required when captcha is enabled'),
} as const;
