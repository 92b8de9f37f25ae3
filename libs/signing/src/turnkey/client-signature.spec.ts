import { describe, expect, it } from '@jest/globals';
import { ApiKeyStamper, SignatureFormat } from '@turnkey/api-key-stamper';
import { toDerSignature, verifyStampSignature } from '@turnkey/crypto';
import fc from 'fast-check';
import { deterministicTestKey, testKey, turnkeyVectors } from '../fixtures/turnkey-vectors.js';
import {
  clientSignatureMessage,
  signClientSignature,
  verifyClientSignature,
  type TokenUsage,
} from './client-signature.js';

const { login, derEquivalent, signupMessage, signupSignatureRawHex } = turnkeyVectors.clientSignature;
const {
  publicKeyCompressedHex: publicKey,
  publicKeyUncompressedHex,
  privateKeyHex,
} = turnkeyVectors.keys.clientSession;
const other = turnkeyVectors.keys.turnkeyApi.publicKeyCompressedHex;

const tokenId = turnkeyVectors.tokens.verification.claims['id']!;
const loginUsage: TokenUsage = { tokenId, login: { publicKey } };
const emptySignup = { apiKeys: [], authenticators: [], oauthProviders: [] };
const signupUsage: TokenUsage = { tokenId, signupV2: { ...emptySignup, email: 'user@example.com' } };

describe('the message of a client signature', () => {
  it.each<[string, TokenUsage, string]>([
    ['login', loginUsage, login.message],
    ['signup', signupUsage, signupMessage],
  ])('for a %s equals the test vector', (_, usage, message) => {
    expect(clientSignatureMessage(usage)).toBe(message);
  });

  it('has its members in a fixed order, and leaves out absent members', () => {
    const phoneNumber = '+19999999999';
    const signupV2 = { phoneNumber, email: undefined, oauthProviders: [], authenticators: [{ b: 1, a: 2 }] };
    expect(clientSignatureMessage({ signupV2: { ...signupV2, apiKeys: [] }, tokenId })).toBe(
      `{"signupV2":{"apiKeys":[],"authenticators":[{"b":1,"a":2}],"oauthProviders":[],` +
        `"phoneNumber":"${phoneNumber}"},"tokenId":"${tokenId}","type":"USAGE_TYPE_SIGNUP"}`,
    );
  });
});

describe('making a client signature', () => {
  it('gives exactly the object of the test vector for a login, if it uses the vector’s nonce', () => {
    const signed = signClientSignature(deterministicTestKey('clientSession'), loginUsage);
    expect(signed).toEqual(login);
    expect(Object.keys(signed)).toEqual(['publicKey', 'scheme', 'message', 'signature']);
  });

  it('gives the signature of the test vector for a signup, if it uses the vector’s nonce', () => {
    const { signature } = signClientSignature(deterministicTestKey('clientSession'), signupUsage);
    expect(signature).toBe(signupSignatureRawHex);
  });

  it('gives a signature that our verifier and Turnkey’s own verifier accept', async () => {
    const signed = signClientSignature(testKey('clientSession'), signupUsage);
    expect(verifyClientSignature(signed, { publicKey, usage: signupUsage })).toEqual(signed);
    const der = toDerSignature(signed.signature);
    expect(await verifyStampSignature(signed.publicKey, der, signed.message)).toBe(true);
    expect(await verifyStampSignature(other, der, signed.message)).toBe(false);
  });
});

describe('verifying a client signature', () => {
  const expected: { publicKey: string; usage: TokenUsage } = { publicKey, usage: loginUsage };

  it('accepts the test vectors, whichever form the keys have', () => {
    expect(verifyClientSignature(login, expected)).toEqual(login);
    expect(
      verifyClientSignature({ ...login, more: 1 }, { ...expected, publicKey: publicKeyUncompressedHex }),
    ).toEqual(login);
    const upper = { ...login, publicKey: publicKey.toUpperCase(), signature: login.signature.toUpperCase() };
    expect(verifyClientSignature(upper, expected)).toEqual(login);
    const signup = { ...login, message: signupMessage, signature: signupSignatureRawHex };
    expect(verifyClientSignature(signup, { publicKey, usage: signupUsage })).toEqual(signup);
  });

  it('accepts signatures of Turnkey’s own stamper over any message', async () => {
    const stampers = (['node', 'purejs'] as const).map(
      (runtimeOverride) =>
        new ApiKeyStamper({ apiPublicKey: publicKey, apiPrivateKey: privateKeyHex, runtimeOverride }),
    );
    const anyUsage = fc.oneof(
      fc.record({ tokenId: fc.uuid(), login: fc.constant({ publicKey }) }),
      fc.record({
        tokenId: fc.uuid(),
        signupV2: fc.record({
          apiKeys: fc.array(fc.dictionary(fc.string(), fc.string({ unit: 'grapheme' })), { maxLength: 2 }),
          authenticators: fc.constant([]),
          oauthProviders: fc.constant([]),
          email: fc.option(fc.emailAddress(), { nil: undefined }),
        }),
      }),
    );
    await fc.assert(
      fc.asyncProperty(anyUsage, fc.constantFrom(...stampers), async (usage, stamper) => {
        const message = clientSignatureMessage(usage);
        const signature = await stamper.sign(message, SignatureFormat.Raw);
        const made = { ...login, message, signature };
        expect(verifyClientSignature(made, { publicKey, usage })).toEqual(made);
      }),
      { numRuns: 200 },
    );
  });

  it.each<[string, string, unknown, Partial<typeof expected>?]>([
    ['an absent value', 'malformed', undefined],
    ['null', 'malformed', null],
    ['a text', 'malformed', JSON.stringify(login)],
    ['an empty object', 'wrong_algorithm', {}],
    ['a stamp’s scheme', 'wrong_algorithm', { ...login, scheme: 'SIGNATURE_SCHEME_TK_API_P256' }],
    ['no key', 'malformed', { ...login, publicKey: undefined }],
    ['an invalid key', 'malformed', { ...login, publicKey: `0x${publicKey}` }],
    ['another key', 'wrong_key', { ...login, publicKey: other }],
    ['a token bound to another key', 'wrong_key', login, { publicKey: other }],
    ['a token bound to no key', 'wrong_key', login, { publicKey: '' }],
    ['another token', 'wrong_message', login, { usage: { ...loginUsage, tokenId: 'other' } }],
    ['another session key', 'wrong_message', login, { usage: { tokenId, login: { publicKey: other } } }],
    ['another use', 'wrong_message', login, { usage: signupUsage }],
    ['a space in the message', 'wrong_message', { ...login, message: `${login.message} ` }],
    ['no message', 'wrong_message', { ...login, message: undefined }],
    ['a DER signature', 'malformed', { ...login, signature: derEquivalent }],
    ['a short signature', 'malformed', { ...login, signature: login.signature.slice(2) }],
    ['a signature with 0x', 'malformed', { ...login, signature: `0x${login.signature.slice(2)}` }],
    ['no signature', 'malformed', { ...login, signature: undefined }],
    ['the signature of another message', 'bad_signature', { ...login, signature: signupSignatureRawHex }],
    ['a signature of zeros', 'bad_signature', { ...login, signature: '0'.repeat(128) }],
    [
      'r and s swapped',
      'bad_signature',
      { ...login, signature: login.signature.slice(64) + login.signature.slice(0, 64) },
    ],
  ])('refuses %s, with the reason %s', (_, reason, given, change = {}) => {
    expect(() => verifyClientSignature(given, { ...expected, ...change })).toThrow(
      expect.objectContaining({ name: 'InvalidProofError', proof: 'client signature', reason }),
    );
  });
});
