import { describe, expect, it } from '@jest/globals';
import { createPasskey } from '../../../tools/passkey.js';
import { byteString } from './cbor.js';
import {
  asNewAuthenticator as toPort,
  asRegistration,
  type SubmittedAuthenticator,
} from './submitted-authenticator.js';

const challenge = 'Y2hhbGxlbmdlLW9mLWEtdGVzdA';
const credential = createPasskey({
  rpId: 'app.example.com',
  origin: 'https://app.example.com',
  challenge,
  transports: ['internal', 'hybrid'],
});
const { clientDataJSON, attestationObject } = credential.response;

const asNewAuthenticator = (submitted: SubmittedAuthenticator) =>
  toPort(submitted, { challenge, credentialId: credential.id });

const browsers: SubmittedAuthenticator = { authenticatorName: 'Phone', credential };
const providers = (transports: string[]): SubmittedAuthenticator => ({
  authenticatorName: 'Phone',
  challenge,
  attestation: { credentialId: credential.id, clientDataJson: clientDataJSON, attestationObject, transports },
});

describe('a submitted authenticator', () => {
  it('is sent to the provider in one format, although callers use two formats', () => {
    const expected = {
      name: 'Phone',
      challenge,
      credentialId: credential.id,
      clientDataJson: clientDataJSON,
      attestationObject,
      transports: ['internal', 'hybrid'],
    };
    expect(asNewAuthenticator(browsers)).toEqual(expected);
    expect(
      asNewAuthenticator(providers(['AUTHENTICATOR_TRANSPORT_INTERNAL', 'AUTHENTICATOR_TRANSPORT_HYBRID'])),
    ).toEqual(expected);
  });

  it('is sent with its raw id, even if the caller sent the id as a CBOR byte string', () => {
    const named = providers([]) as Extract<SubmittedAuthenticator, { attestation: object }>;
    const credentialId = byteString(Buffer.from(credential.id, 'base64url')).toString('base64url');
    const given = { ...named, attestation: { ...named.attestation, credentialId } };
    expect(asNewAuthenticator(given).credentialId).toBe(credential.id);
  });

  it('is converted to the format of a browser for the checks', () => {
    expect(asRegistration(browsers)).toEqual({ response: credential, idMayBeCbor: false });
    expect(asRegistration(providers([]))).toMatchObject({
      response: {
        id: credential.id,
        rawId: credential.id,
        type: 'public-key',
        response: { clientDataJSON, attestationObject },
      },
      idMayBeCbor: true,
    });
  });

  it.each([
    [
      ['AUTHENTICATOR_TRANSPORT_BLE', 'AUTHENTICATOR_TRANSPORT_NFC', 'AUTHENTICATOR_TRANSPORT_USB'],
      ['ble', 'nfc', 'usb'],
    ],
    [['Unknown'], ['unknown']],
    [
      ['Unknown', 'AUTHENTICATOR_TRANSPORT_USB', 'Unknown'],
      ['unknown', 'usb'],
    ],
    [[], []],
  ])('keeps its transports: %j becomes %j', (given, expected) => {
    expect(asNewAuthenticator(providers(given)).transports).toEqual(expected);
  });

  it.each([
    [
      ['cable', 'smart-card', 'toString', 'internal'],
      ['hybrid', 'unknown', 'internal'],
    ],
    [['hybrid', 'cable'], ['hybrid']],
    [undefined, []],
  ])('gets our names for the transports that browsers name: %j becomes %j', (transports, expected) => {
    const { transports: _, ...response } = credential.response;
    const given = {
      ...credential,
      response: { ...response, ...(transports && { transports: transports as never }) },
    };
    expect(asNewAuthenticator({ authenticatorName: 'x', credential: given }).transports).toEqual(expected);
  });

  it('is sent with the challenge in its client data, not with another copy of the challenge', () => {
    expect(
      asNewAuthenticator({ ...providers([]), challenge: 'another' } as SubmittedAuthenticator).challenge,
    ).toBe(challenge);
  });
});
