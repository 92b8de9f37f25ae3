import { describe, expect, it } from '@jest/globals';
import {
  base64url,
  deterministicTestKey,
  fromBase64url,
  testKey,
  turnkeyVectors,
} from '../fixtures/turnkey-vectors.js';
import { verifyTurnkeyStamp, stampTurnkeyRequest } from './api-key-stamp.js';

const { body, purejs, decodedJson, nodeSamples, rfc6979DerHex } = turnkeyVectors.stamp;
const stamp = JSON.parse(decodedJson) as { publicKey: string; scheme: string; signature: string };
const other = turnkeyVectors.keys.clientSession;

describe('making the X-Stamp of a request', () => {
  it('gives exactly the header of the test vector if ECDSA uses the nonce of the vector', async () => {
    expect(await stampTurnkeyRequest(deterministicTestKey('turnkeyApi'), body)).toEqual({
      'X-Stamp': purejs,
    });
    expect(stamp.signature).toBe(rfc6979DerHex);
  });

  it('gives a header that verifyTurnkeyStamp accepts', async () => {
    const header = await stampTurnkeyRequest(testKey('turnkeyApi'), body);
    expect(header['X-Stamp']).not.toMatch(/[^A-Za-z0-9_-]/);
    expect(Object.keys(fromBase64url(header['X-Stamp']))).toEqual(['publicKey', 'scheme', 'signature']);
    expect(verifyTurnkeyStamp(header['X-Stamp'], body)).toEqual(header);
  });
});

describe('verifying an X-Stamp', () => {
  it.each([purejs, ...nodeSamples])('accepts test vector %#', (value) => {
    expect(verifyTurnkeyStamp(value, body)).toEqual({ 'X-Stamp': value });
  });

  it('accepts a signature by a key that Turnkey attested, if the stamp has the scheme of API keys', () => {
    const { publicKey, signature } = fromBase64url(turnkeyVectors.attestedStamp.value);
    const value = base64url({ publicKey, scheme: stamp.scheme, signature });
    expect(verifyTurnkeyStamp(value, turnkeyVectors.attestedStamp.body)).toEqual({ 'X-Stamp': value });
  });

  it('returns only the checked members, with their hex in lower case', () => {
    const twice = decodedJson.replace('{', `{"publicKey":"${other.publicKeyCompressedHex}","more":1,`);
    expect(verifyTurnkeyStamp(base64url(twice), body)).toEqual({ 'X-Stamp': purejs });
    const upper = { ...stamp, publicKey: stamp.publicKey.toUpperCase() };
    expect(verifyTurnkeyStamp(base64url(upper), body)).toEqual({ 'X-Stamp': purejs });
  });

  const changed = (change: object): string => base64url({ ...stamp, ...change });

  it.each<[string, string, string, string?]>([
    ['an empty text', 'malformed', ''],
    ['padding', 'malformed', `${purejs}=`],
    ['plain JSON', 'malformed', decodedJson],
    ['a text that is not JSON', 'malformed', base64url('stamp')],
    ['a list', 'malformed', base64url([stamp])],
    ['another scheme', 'wrong_algorithm', changed({ scheme: 'SIGNATURE_SCHEME_TK_API_SECP256K1' })],
    ['no scheme', 'wrong_algorithm', changed({ scheme: undefined })],
    ['no key', 'malformed', changed({ publicKey: undefined })],
    [
      'an uncompressed key',
      'malformed',
      changed({ publicKey: turnkeyVectors.keys.turnkeyApi.publicKeyUncompressedHex }),
    ],
    ['a key off the curve', 'malformed', changed({ publicKey: `02${'0'.repeat(63)}1` })],
    ['a signature that is not hex', 'malformed', changed({ signature: `0x${stamp.signature}` })],
    ['no signature', 'malformed', changed({ signature: undefined })],
    ['another key', 'bad_signature', changed({ publicKey: other.publicKeyCompressedHex })],
    ['a signature cut short', 'bad_signature', changed({ signature: stamp.signature.slice(0, -2) })],
    ['a byte after the signature', 'bad_signature', changed({ signature: `${stamp.signature}00` })],
    [
      'a raw signature',
      'bad_signature',
      changed({
        signature: Buffer.from(testKey('turnkeyApi').sign(Buffer.from(body), 'raw')).toString('hex'),
      }),
    ],
    ['a body with an extra space', 'bad_signature', purejs, `${body} `],
    ['no body', 'bad_signature', purejs, ''],
  ])('refuses %s, with the reason %s', (_, reason, value, of = body) => {
    expect(() => verifyTurnkeyStamp(value, of)).toThrow(
      expect.objectContaining({ name: 'InvalidProofError', proof: 'API key stamp', reason }),
    );
  });

  it('refuses one flipped bit in the signature or the body', () => {
    const der = Buffer.from(stamp.signature, 'hex');
    for (let bit = 0; bit < der.length * 8; bit += 5) {
      const turned = Buffer.from(der);
      turned[bit >> 3]! ^= 1 << (bit & 7);
      expect(() => verifyTurnkeyStamp(changed({ signature: turned.toString('hex') }), body)).toThrow(
        expect.objectContaining({ reason: 'bad_signature' }),
      );
      const text = Buffer.from(body);
      text[bit % text.length]! ^= 1;
      expect(() => verifyTurnkeyStamp(purejs, text.toString())).toThrow(
        expect.objectContaining({ reason: 'bad_signature' }),
      );
    }
  });
});
