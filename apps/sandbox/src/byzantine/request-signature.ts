import { verify } from 'node:crypto';
import { Refusal } from '../refusal.js';
import { errorTexts } from './error-texts.js';
import { PUBKEY_PATTERN } from './integrator-keys.js';
import type { IntegratorKey } from './integrator-keys.js';

/** How far X-Timestamp may be from the server's clock, either way; the contract says "within 1 minute". */
export const TIMESTAMP_WINDOW_MS = 60_000;

/** What arrived, before anything interpreted it. */
export interface SignedRequest {
  method: string;
  /** Path and query exactly as sent. */
  pathAndQuery: string;
  headers: Record<string, string | string[] | undefined>;
  /** The body's bytes; empty where there was none. */
  rawBody: Buffer;
}

/** What the headers turned out to be; `refusal` is the answer they deserve, null if they are good. */
export interface SignatureVerdict {
  pubkey: string | null;
  /** X-Timestamp less our clock, in milliseconds; null if it is no timestamp. */
  timestampSkewMs: number | null;
  signatureOk: boolean;
  key: IntegratorKey | null;
  refusal: Refusal | null;
}

/**
 * Checks the three headers of Byzantine's Integrator API ("Request signing"): ECDSA over P-256 and SHA-256,
 * DER, of timestamp, method, path with query, and body, joined without separators. High and low S both pass.
 * Missing and malformed headers are 400, as upstream's own tests observe for X-Pubkey; an unknown key is 401;
 * 401 for a stale timestamp or a wrong signature is this sandbox's assumption.
 *
 * @param nowMs the server's time in milliseconds since the Unix epoch
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
