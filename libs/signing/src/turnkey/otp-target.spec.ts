import { describe, expect, it } from '@jest/globals';
import { testKey, turnkeyVectors } from '../fixtures/turnkey-vectors.js';
import { decodePublicKey } from '../public-key.js';
import { readOtpTarget } from './otp-target.js';

const { targetBundle, dataJson, dataHex } = turnkeyVectors.otp;
const { enclaveTarget, tlsFetcherSigner, notarizer } = turnkeyVectors.keys;
const signer = decodePublicKey(tlsFetcherSigner.publicKeyUncompressedHex)!;
const bundle = JSON.parse(targetBundle) as Record<string, string>;

function bundleOf(data: string | Buffer, change: object = {}, by = testKey('tlsFetcherSigner')): string {
  const bytes = Buffer.from(data);
  const dataSignature = Buffer.from(by.sign(bytes)).toString('hex');
  return JSON.stringify({ ...bundle, data: bytes.toString('hex'), dataSignature, ...change });
}

describe('reading an OTP target bundle', () => {
  it('accepts the test vector, whichever form the signer’s key has', () => {
    for (const hex of [tlsFetcherSigner.publicKeyUncompressedHex, tlsFetcherSigner.publicKeyCompressedHex]) {
      const { publicKey } = readOtpTarget(targetBundle, decodePublicKey(hex)!);
      expect(publicKey.compressedHex).toBe(enclaveTarget.publicKeyCompressedHex);
    }
    expect(Buffer.from(dataHex, 'hex').toString()).toBe(dataJson);
  });

  it('accepts a compressed key of the signer, and unknown members', () => {
    const enclaveQuorumPublic = tlsFetcherSigner.publicKeyCompressedHex;
    const made = bundleOf(dataJson.replace('{', '{"userId":"ü",'), { enclaveQuorumPublic, more: [1] });
    expect(readOtpTarget(made, signer).publicKey.compressedHex).toBe(enclaveTarget.publicKeyCompressedHex);
  });

  const target = (targetPublic: unknown): string => bundleOf(JSON.stringify({ targetPublic }));
  const uncompressed = enclaveTarget.publicKeyUncompressedHex;

  it.each<[string, string, string]>([
    ['an empty text', 'malformed', ''],
    ['a list', 'malformed', `[${targetBundle}]`],
    ['JSON in JSON', 'malformed', JSON.stringify(targetBundle)],
    ['no signer', 'wrong_key', bundleOf(dataJson, { enclaveQuorumPublic: undefined })],
    [
      'another signer with a valid signature',
      'wrong_key',
      bundleOf(dataJson, { enclaveQuorumPublic: notarizer.publicKeyUncompressedHex }, testKey('notarizer')),
    ],
    ['another signer under the expected name', 'bad_signature', bundleOf(dataJson, {}, testKey('notarizer'))],
    ['no data', 'malformed', bundleOf(dataJson, { data: undefined })],
    ['data that is not hex', 'malformed', bundleOf(dataJson, { data: dataJson })],
    ['no signature', 'malformed', bundleOf(dataJson, { dataSignature: '' })],
    [
      'a signature with 0x',
      'malformed',
      bundleOf(dataJson, { dataSignature: `0x${bundle['dataSignature']}` }),
    ],
    [
      'data with a changed digit',
      'bad_signature',
      JSON.stringify({ ...bundle, data: dataHex.replace(/7d$/, '7e') }),
    ],
    [
      'a signature over the hex instead of its bytes',
      'bad_signature',
      bundleOf(dataJson, {
        dataSignature: Buffer.from(testKey('tlsFetcherSigner').sign(Buffer.from(dataHex))).toString('hex'),
      }),
    ],
    ['signed data that is not JSON', 'malformed', bundleOf('target')],
    ['signed data that is not UTF-8', 'malformed', bundleOf(Buffer.of(0x7b, 0xff, 0x7d))],
    ['no target', 'malformed', target(undefined)],
    ['a compressed target', 'malformed', target(enclaveTarget.publicKeyCompressedHex)],
    ['a target off the curve', 'malformed', target(uncompressed.replace(/.$/, '1'))],
    ['a target with 0x', 'malformed', target(`0x${uncompressed}`)],
  ])('refuses %s, with the reason %s', (_, reason, made) => {
    expect(() => readOtpTarget(made, signer)).toThrow(
      expect.objectContaining({ name: 'InvalidProofError', proof: 'OTP target bundle', reason }),
    );
  });

  it('refuses the test vector if another signer is configured', () => {
    expect(() => readOtpTarget(targetBundle, decodePublicKey(notarizer.publicKeyCompressedHex)!)).toThrow(
      expect.objectContaining({ reason: 'wrong_key' }),
    );
  });
});
