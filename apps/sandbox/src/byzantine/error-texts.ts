/**
 * Byzantine documents the statuses and the form `{error, status}`, but no texts. **Every text here is an
 * assumption**: a client must expect others from the real API.
 */
export const errorTexts = {
  noRoute: 'not found',
  wrongMethod: 'method not allowed',
  internal: 'internal error',

  missingHeader: (name: string) => `missing ${name} header`,
  malformedHeader: (name: string) => `malformed ${name} header`,
  contentType: 'expected Content-Type: application/json',
  unknownPubkey: 'unknown public key',
  staleTimestamp: 'request timestamp is outside the allowed window',
  badSignature: 'invalid request signature',
  readOnly: 'credential is read-only',

  invalidBody: (detail: string) => `invalid request body: ${detail}`,
  uuidParsingFailed: (field: string) => `Failed to deserialize the JSON body: ${field}: UUID parsing failed`,

  accountNotFound: 'account not found',
  userNotFound: 'user not found',

  otpNotFound: 'OTP not found',
  otpInvalid: 'invalid OTP code',
  otpExpired: 'OTP code expired',
  otpLocked: 'OTP code is locked: too many attempts',
  otpUsed: 'OTP code already used',

  sessionNotFound: 'session not found',
  sessionExpired: 'session expired',

  noAuthenticators: 'at least one authenticator is required',
  invalidAttestation: (reason: string) => `invalid authenticator attestation: ${reason}`,
  credentialRegistered: 'credential already registered',
  tooManyAuthenticators: 'maximum number of authenticators reached',
} as const;
