import { verify } from 'node:crypto';
import { Refusal } from '../refusal.js';
import { errorTexts } from './error-texts.js';
import { PUBKEY_PATTERN } from './integrator-keys.js';
import type { IntegratorKey } from './integrator-keys.js';

/** Byzantine's documentation says "within 1 minute" of the server's clock. */
export const TIMESTAMP_WINDOW_MS = 60_000;

export interface SignedRequest {
  method: string;
  /** Exactly as sent. */
  pathAndQuery: string;
  headers: Record<string, string | string[] | undefined>;
  /** Empty if there was no body. */
  rawBody: Buffer;
}

/** `refusal` is null if the headers are valid. */
export interface SignatureVerdict {
  pubkey: string | null;
  /** X-Timestamp minus the sandbox's clock; null if X-Timestamp is not a timestamp. */
  timestampSkewMs: number | null;
  signatureOk: boolean;
  key: IntegratorKey | null;
  refusal: Refusal | null;
}

/**
 * Checks the three headers of Byzantine's Integrator API ("Request signing"). The signature is ECDSA with
 * P-256 and SHA-256, in DER, with high or low S. It covers timestamp, method, path with query, and body,
 * without separators.
 *
 * The answer to a missing or malformed header is 400: for X-Pubkey, Byzantine's own tests show this. The
 * sandbox assumes 401 for a stale timestamp and for a wrong signature.
 *
 * @param nowMs milliseconds since the Unix epoch
 */
export function checkSignature(
  request: SignedRequest,
  keys: ReadonlyMap<string, IntegratorKey>,
  nowMs: number,
): SignatureVerdict {
  const pubkey = header(request, 'x-pubkey');
  const timestamp = header(request, 'x-timestamp');
  const signature = header(request, 'x-signature');
  const skewMs = timestamp !== null && isTimestamp(timestamp) ? Number(timestamp) * 1000 - nowMs : null;
  const key = (pubkey !== null && keys.get(pubkey)) || null;
  const signatureOk =
    key !== null && signature !== null && isGenuine(request, key, timestamp ?? '', signature);

  const refuse = (): Refusal | null => {
    if (pubkey === null) return new Refusal(400, errorTexts.missingHeader('X-Pubkey'));
    if (!PUBKEY_PATTERN.test(pubkey)) return new Refusal(400, errorTexts.malformedHeader('X-Pubkey'));
    if (timestamp === null) return new Refusal(400, errorTexts.missingHeader('X-Timestamp'));
    if (skewMs === null) return new Refusal(400, errorTexts.malformedHeader('X-Timestamp'));
    if (signature === null) return new Refusal(400, errorTexts.missingHeader('X-Signature'));
    if (!isHex(signature)) return new Refusal(400, errorTexts.malformedHeader('X-Signature'));
    if (key === null) return new Refusal(401, errorTexts.unknownPubkey);
    if (Math.abs(skewMs) > TIMESTAMP_WINDOW_MS) return new Refusal(401, errorTexts.staleTimestamp);
    if (!signatureOk) return new Refusal(401, errorTexts.badSignature);
    return null;
  };
  return { pubkey, timestampSkewMs: skewMs, signatureOk, key, refusal: refuse() };
}

function isGenuine(
  request: SignedRequest,
  key: IntegratorKey,
  timestamp: string,
  signature: string,
): boolean {
  if (!isHex(signature)) return false;
  const message = Buffer.concat([
    Buffer.from(timestamp + request.method.toUpperCase() + request.pathAndQuery),
    request.rawBody,
  ]);
  return verify('sha256', message, key.publicKey, Buffer.from(signature.slice(2), 'hex'));
}

function header({ headers }: SignedRequest, name: string): string | null {
  const value = headers[name];
  return typeof value === 'string' && value !== '' ? value : null;
}

const isTimestamp = (text: string) => /^\d{1,12}$/.test(text);
const isHex = (text: string) => /^0x(?:[0-9a-fA-F]{2})+$/.test(text);
