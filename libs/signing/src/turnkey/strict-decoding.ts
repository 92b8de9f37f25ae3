/**
 * What peers wrote, read strictly. `Buffer.from` skips what it cannot read and takes padding, stray bits and both
 * alphabets, so that many texts would stand for the same bytes and a damaged one for others.
 */

/** @returns undefined unless it is a text of whole bytes in hex, either case, without `0x`. */
export function hexBytes(text: unknown): Buffer | undefined {
  return typeof text === 'string' && /^(?:[0-9a-f]{2})+$/i.test(text) ? Buffer.from(text, 'hex') : undefined;
}

/** @returns undefined unless it is a text in unpadded base64url (RFC 4648 §5, §3.2, §3.5) of one byte or more. */
export function base64urlBytes(text: unknown): Buffer | undefined {
  if (typeof text !== 'string' || text === '') return undefined;
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @returns undefined unless it is JSON text (UTF-8, if bytes are given) of an object. */
export function jsonObject(json: string | Uint8Array | undefined): Record<string, unknown> | undefined {
  if (json === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(typeof json === 'string' ? json : UTF8.decode(json));
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
