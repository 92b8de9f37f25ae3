import { bodyHashHex, type RequestBody } from './activity-fingerprint.js';
import { InvalidProofError, type ProofFault } from './invalid-proof-error.js';
import { base64urlBytes, jsonObject } from './strict-decoding.js';

export interface PasskeyStampHeader {
  'X-Stamp-Webauthn': string;
}

/**
 * The challenge of a passkey stamp: the hash's 64 hex digits as text, not its 32 bytes (Turnkey public API,
 * stamps), in unpadded base64url as the browser repeats it (WebAuthn Level 3 §5.8.1).
 */
export function passkeyChallenge(body: RequestBody): string {
  return Buffer.from(bodyHashHex(body), 'ascii').toString('base64url');
}

/**
 * Takes an `X-Stamp-Webauthn` that a client made over the body. The signature itself cannot be verified here: the
 * passkey's public key is the upstream's. That it was made for this body, and not for another, can.
 *
 * @param value JSON of credentialId, authenticatorData, clientDataJson and signature, each unpadded base64url.
 * @returns the header, plain JSON, made anew of these four.
 * @throws InvalidProofError `malformed`, or `wrong_message` where it is no assertion or one of another body.
 */
export function relayPasskeyStamp(value: string, body: RequestBody): PasskeyStampHeader {
  const stamp = jsonObject(value);
  if (!stamp) refuse('malformed', 'it is not a JSON object');
  const { credentialId, authenticatorData, clientDataJson, signature } = stamp;
  if (!base64urlBytes(credentialId)) refuse('malformed', 'its credentialId is not unpadded base64url');
  if (base64urlBytes(signature)?.[0] !== DER_SEQUENCE) {
    refuse('malformed', 'its signature is not DER in unpadded base64url');
  }
  if ((base64urlBytes(authenticatorData)?.length ?? 0) < AUTHENTICATOR_DATA_MIN) {
    refuse('malformed', `its authenticatorData is not ${AUTHENTICATOR_DATA_MIN} bytes of base64url or more`);
  }
  const clientData = jsonObject(base64urlBytes(clientDataJson));
  if (!clientData) refuse('malformed', 'its clientDataJson is not unpadded base64url of a JSON object');
  if (clientData['type'] !== 'webauthn.get') refuse('wrong_message', 'its clientDataJson is of no assertion');
  if (clientData['challenge'] !== passkeyChallenge(body)) {
    refuse('wrong_message', 'its challenge is not the one of this body');
  }
  const checked = { credentialId, authenticatorData, clientDataJson, signature };
  return { 'X-Stamp-Webauthn': JSON.stringify(checked) };
}

const DER_SEQUENCE = 0x30;

/** Hash of the relying party's id, flags, counter (WebAuthn Level 3 §6.1). */
const AUTHENTICATOR_DATA_MIN = 32 + 1 + 4;

function refuse(reason: ProofFault, detail: string): never {
  throw new InvalidProofError('passkey stamp', reason, detail);
}
