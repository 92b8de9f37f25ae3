/**
 * `Buffer.from` skips unreadable characters and accepts padding, extra bits and both base64 alphabets, so it
 * decodes a damaged text to wrong bytes. These functions are stricter.
 */

/** @returns the bytes of hex text in upper or lower case, without `0x`; undefined for other texts. */
export function hexBytes(text: unknown): Buffer | undefined {
  return typeof text === 'string' && /^(?:[0-9a-f]{2})+$/i.test(text) ? Buffer.from(text, 'hex') : undefined;
}

/** @returns the bytes of base64url without padding (RFC 4648 §5, §3.2, §3.5); undefined for other texts. */
export function base64urlBytes(text: unknown): Buffer | undefined {
  if (typeof text !== 'string' || text === '') return undefined;
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @returns the object in a JSON text or in its UTF-8 bytes; undefined for anything else. */
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
