import { createDecipheriv } from 'node:crypto';
import { Aes256Gcm, CipherSuite, DhkemP256HkdfSha256, HkdfSha256 } from '@hpke/core';
import { describe, expect, it } from '@jest/globals';
import { encryptOtpCodeToBundle, hpkeDecrypt } from '@turnkey/crypto';
import fc from 'fast-check';
import { Secret } from '#libs/kernel';
import { turnkeyVectors } from '../fixtures/turnkey-vectors.js';
import { decodePublicKey } from '../public-key.js';
import { encryptToEnclave } from './hpke.js';
import { encryptOtpCode } from './otp-code.js';
import { readOtpTarget } from './otp-target.js';

const { code, plaintext, targetBundle, sdkSample, fixedEphemeral } = turnkeyVectors.otp;
const { enclaveTarget, tlsFetcherSigner, clientSession, hpkeFixedSender } = turnkeyVectors.keys;
const signerHex = tlsFetcherSigner.publicKeyUncompressedHex;
const publicKeyHex = clientSession.publicKeyCompressedHex;
const target = readOtpTarget(targetBundle, decodePublicKey(signerHex)!);

const suite = new CipherSuite({
  kem: new DhkemP256HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});

interface Bundle {
  encappedPublic: string;
  ciphertext: string;
}

const bytesOf = (sealed: string) => {
  const { encappedPublic, ciphertext } = JSON.parse(sealed) as Bundle;
  return { enc: Buffer.from(encappedPublic, 'hex'), ciphertext: Buffer.from(ciphertext, 'hex') };
};

/** As the enclave does, with @hpke/core. */
async function open(sealed: string, info = 'turnkey_hpke'): Promise<string> {
  const { enc, ciphertext } = bytesOf(sealed);
  const recipientKey = await suite.kem.deserializePrivateKey(Buffer.from(enclaveTarget.privateKeyHex, 'hex'));
  const aad = Buffer.concat([enc, target.publicKey.uncompressed]);
  const params = { recipientKey, enc, info: Buffer.from(info) };
  return Buffer.from(await suite.open(params, ciphertext, aad)).toString();
}

function openByTheirs(sealed: string): string {
  const { enc, ciphertext } = bytesOf(sealed);
  const receiverPriv = enclaveTarget.privateKeyHex;
  const opened = hpkeDecrypt({ ciphertextBuf: ciphertext, encappedKeyBuf: enc, receiverPriv });
  return Buffer.from(opened).toString();
}

async function fixedKeyPair() {
  const text = (hex: string) => Buffer.from(hex, 'hex').toString('base64url');
  const { privateKeyHex, publicKeyUncompressedHex: point } = hpkeFixedSender;
  const publicPart = { kty: 'EC', crv: 'P-256', x: text(point.slice(2, 66)), y: text(point.slice(66)) };
  return {
    privateKey: await suite.kem.importKey('jwk', { ...publicPart, d: text(privateKeyHex) }, false),
    publicKey: await suite.kem.importKey('jwk', publicPart, true),
  };
}

describe('HPKE', () => {
  it('gives exactly the ciphertext of the test vector, with the ephemeral key of the vector', async () => {
    const sealed = await encryptToEnclave(
      target.publicKey.uncompressed,
      Buffer.from(plaintext),
      await fixedKeyPair(),
    );
    expect(sealed).toBe(fixedEphemeral.encryptedOtpBundle);
  });

  it('encrypts with AES-256-GCM: node:crypto decrypts the vector with its AES key and its nonce', () => {
    const { enc, ciphertext } = bytesOf(fixedEphemeral.encryptedOtpBundle);
    const key = Buffer.from(fixedEphemeral.aesKeyHex, 'hex');
    const decipher = createDecipheriv('aes-256-gcm', key, Buffer.from(fixedEphemeral.nonceHex, 'hex'));
    decipher.setAAD(Buffer.concat([enc, target.publicKey.uncompressed]));
    decipher.setAuthTag(ciphertext.subarray(-16));
    const opened = Buffer.concat([decipher.update(ciphertext.subarray(0, -16)), decipher.final()]);
    expect(opened.toString()).toBe(plaintext);
  });

  it.each([sdkSample, fixedEphemeral.encryptedOtpBundle])('decrypts test vector %#', async (sealed) => {
    expect(await open(sealed)).toBe(plaintext);
    expect(openByTheirs(sealed)).toBe(plaintext);
  });

  it('does not decrypt a text with another `info`, or with a changed byte', async () => {
    await expect(open(sdkSample, 'turnkey_hpkf')).rejects.toThrow();
    await expect(open(sdkSample.replace(/..("})$/, '00$1'))).rejects.toThrow();
  });
});

describe('encryptOtpCode', () => {
  it('encrypts the code and the client’s public key together, with a fresh ephemeral key', async () => {
    const sealed = await encryptOtpCode(target, new Secret(code), publicKeyHex);
    expect(Object.keys(JSON.parse(sealed) as object)).toEqual(['encappedPublic', 'ciphertext']);
    expect(bytesOf(sealed).enc).toHaveLength(65);
    expect(await open(sealed)).toBe(plaintext);
    expect(openByTheirs(sealed)).toBe(plaintext);
    const again = await encryptOtpCode(target, new Secret(code), publicKeyHex);
    expect(bytesOf(again).enc).not.toEqual(bytesOf(sealed).enc);
  });

  it('encrypts the same text as @turnkey/crypto, for any code', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 12 }), async (any) => {
        const ours = await encryptOtpCode(target, new Secret(any), publicKeyHex);
        const theirs = await encryptOtpCodeToBundle(any, targetBundle, publicKeyHex, signerHex);
        const opened = openByTheirs(ours);
        expect(JSON.parse(opened)).toEqual({ otp_code: any, public_key: publicKeyHex });
        expect(await open(theirs)).toBe(opened);
      }),
      { numRuns: 25 },
    );
  });

  it.each(['', `0x${publicKeyHex}`, publicKeyHex.toUpperCase(), clientSession.publicKeyUncompressedHex])(
    'refuses the key %j, without showing the code',
    async (key) => {
      const failed = encryptOtpCode(target, new Secret('secret-code'), key);
      await expect(failed).rejects.toThrow(RangeError);
      await expect(failed).rejects.not.toThrow('secret-code');
    },
  );
});
