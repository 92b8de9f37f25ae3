import type { RegistrationResponseJSON } from '@simplewebauthn/server';
import { decode, encode } from 'cborg';
import { createPasskey, type PasskeyOptions } from '../../tools/passkey.js';

const base64url = (data: string | Uint8Array): string => Buffer.from(data).toString('base64url');

export function altered(
  honest: PasskeyOptions,
  change: (passkey: RegistrationResponseJSON) => void,
): RegistrationResponseJSON {
  const passkey = createPasskey(honest);
  change(passkey);
  return passkey;
}

export const withClientData = (
  honest: PasskeyOptions,
  change: (data: Record<string, unknown>) => string | Uint8Array,
): RegistrationResponseJSON =>
  altered(honest, ({ response }) => {
    const text = Buffer.from(response.clientDataJSON, 'base64url').toString();
    response.clientDataJSON = base64url(change(JSON.parse(text) as Record<string, unknown>));
  });

export const withAttestation = (
  honest: PasskeyOptions,
  change: (object: Buffer) => Uint8Array,
): RegistrationResponseJSON =>
  altered(honest, ({ response }) => {
    response.attestationObject = base64url(change(Buffer.from(response.attestationObject, 'base64url')));
  });

export const withMembers = (
  honest: PasskeyOptions,
  change: (members: Map<string, unknown>) => void,
): RegistrationResponseJSON =>
  withAttestation(honest, (object) => {
    const members = decode(object, { useMaps: true }) as Map<string, unknown>;
    change(members);
    return encode(members);
  });

export const withAuthenticatorData = (
  honest: PasskeyOptions,
  change: (data: Buffer) => Uint8Array,
): RegistrationResponseJSON =>
  withMembers(honest, (members) => {
    members.set('authData', change(Buffer.from(members.get('authData') as Uint8Array)));
  });

/** @param change edits the COSE_Key in place. */
export const withKey = (
  honest: PasskeyOptions,
  change: (key: Map<number, unknown>) => void,
): RegistrationResponseJSON =>
  withAuthenticatorData(honest, (data) => {
    const at = 55 + data.readUInt16BE(53);
    const key = decode(data.subarray(at), { useMaps: true }) as Map<number, unknown>;
    change(key);
    return Buffer.concat([data.subarray(0, at), encode(key)]);
  });
