import { hasDuplicateMembers } from '#libs/kernel';
import { decoding } from './attestation-error.js';

/** The members that the service checks (WebAuthn Level 3 §5.8.1). Each may have any type. */
export interface ClientData {
  type?: unknown;
  challenge?: unknown;
  origin?: unknown;
  crossOrigin?: unknown;
  topOrigin?: unknown;
}

/**
 * Refuses forms that the provider may read differently: invalid UTF-8, a byte order mark, a duplicate member.
 *
 * @param clientDataJson base64url
 * @throws PreflightError `client_data_malformed`
 */
export function readClientData(clientDataJson: string): ClientData {
  return decoding('client_data_malformed', () => {
    const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
    const text = utf8.decode(Buffer.from(clientDataJson, 'base64url'));
    const data: unknown = JSON.parse(text);
    if (typeof data !== 'object' || data === null || Array.isArray(data)) throw new Error('no object');
    if (hasDuplicateMembers(text, data)) throw new Error('a member twice');
    return data;
  });
}
