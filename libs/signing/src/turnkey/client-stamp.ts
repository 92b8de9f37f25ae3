import type { RequestBody } from './activity-fingerprint.js';
import { relayApiKeyStamp, type ApiKeyStampHeader } from './api-key-stamp.js';
import { InvalidProofError } from './invalid-proof-error.js';
import { relayPasskeyStamp, type PasskeyStampHeader } from './passkey-stamp.js';

/** A stamp as Turnkey's stampers give it to a client, which hands it on to us with the body it covers. */
export interface ClientStamp {
  /** `X-Stamp` or `X-Stamp-Webauthn`, in any case. */
  stampHeaderName: string;
  stampHeaderValue: string;
}

/**
 * Turns a stamp that a client made into the header to send, so that a bad one is refused here, by name, before it
 * costs a call.
 *
 * @param body exactly what the client stamped and we send.
 * @throws InvalidProofError saying what is wrong.
 */
export function relayClientStamp(
  { stampHeaderName, stampHeaderValue }: ClientStamp,
  body: RequestBody,
): ApiKeyStampHeader | PasskeyStampHeader {
  switch (stampHeaderName.toLowerCase()) {
    case 'x-stamp':
      return relayApiKeyStamp(stampHeaderValue, body);
    case 'x-stamp-webauthn':
      return relayPasskeyStamp(stampHeaderValue, body);
    default:
      throw new InvalidProofError(
        'client stamp',
        'malformed',
        'its header is neither X-Stamp nor X-Stamp-Webauthn',
      );
  }
}
