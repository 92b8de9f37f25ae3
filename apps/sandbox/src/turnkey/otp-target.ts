import { sign } from 'node:crypto';
import { Aes256Gcm, CipherSuite, DhkemP256HkdfSha256, HkdfSha256 } from '@hpke/core';
import { generateP256, importCompressedPoint, COMPRESSED_POINT } from '../p256.js';
import type { P256KeyPair } from '../p256.js';
import { jsonObject, textIn } from './json-of.js';
import { refusals } from './refusals.js';

/** RFC 9180: DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM, base mode. */
const SUITE = new CipherSuite({
  kem: new DhkemP256HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});
const INFO = Buffer.from('turnkey_hpke');

export interface OpenedCode {
  code: string;
  /** The key to which the token is bound, compressed SEC1 hex. */
  publicKey: string;
}

export class OtpTarget {
  constructor(private readonly keys: P256KeyPair = generateP256()) {}

  /**
   * Makes the `otpEncryptionTargetBundle`. Its key is uncompressed, because clients that get a compressed key
   * make bundles that cannot be decrypted.
   */
  bundle(signer: P256KeyPair, organizationId: string): string {
    const data = Buffer.from(JSON.stringify({ targetPublic: this.keys.uncompressed, organizationId }));
    return JSON.stringify({
      version: 'v1.0.0',
      data: data.toString('hex'),
      dataSignature: sign('sha256', data, signer.privateKey).toString('hex'),
      enclaveQuorumPublic: signer.uncompressed,
    });
  }

  /**
   * Decrypts `encryptedOtpBundle`: `{"encappedPublic","ciphertext"}` in hex. The additional data is
   * `encappedPublic` and this target's public key.
   *
   * @throws TurnkeyRefusal 400 for a malformed bundle, or one encrypted to another key
   */
  async open(encryptedOtpBundle: string): Promise<OpenedCode> {
    const bundle = jsonObject(Buffer.from(encryptedOtpBundle));
    const [encapped, ciphertext] = ['encappedPublic', 'ciphertext'].map((name) =>
      bytesOfHex(textIn(bundle, name)),
    );
    if (encapped?.length !== 65 || !ciphertext) {
      throw refusals.bundleInvalid('encappedPublic (65 bytes) and ciphertext are needed, in hex');
    }
    const opened = jsonObject(await this.#decrypt(encapped, ciphertext));
    const [code, publicKey] = [textIn(opened, 'otp_code'), textIn(opened, 'public_key')];
    if (code === null || publicKey === null || !isPoint(publicKey)) {
      throw refusals.bundleInvalid('otp_code and public_key (compressed) are needed');
    }
    return { code, publicKey };
  }

  async #decrypt(encapped: Buffer, ciphertext: Buffer): Promise<Buffer> {
    try {
      const scalar = Buffer.from(this.keys.privateKeyHex, 'hex');
      const recipientKey = await SUITE.kem.importKey('raw', bytes(scalar), false);
      const aad = Buffer.concat([encapped, Buffer.from(this.keys.uncompressed, 'hex')]);
      const params = { recipientKey, enc: bytes(encapped), info: bytes(INFO) };
      return Buffer.from(await SUITE.open(params, bytes(ciphertext), bytes(aad)));
    } catch {
      throw refusals.bundleInvalid('cannot be opened');
    }
  }
}

function bytesOfHex(hex: string | null): Buffer | null {
  return hex !== null && /^(?:[0-9a-fA-F]{2})+$/.test(hex) ? Buffer.from(hex, 'hex') : null;
}

function isPoint(hex: string): boolean {
  if (!COMPRESSED_POINT.test(hex)) return false;
  try {
    importCompressedPoint(hex);
    return true;
  } catch {
    return false;
  }
}

/**
 * Copies the bytes, because small Node.js buffers share one ArrayBuffer, which WebCrypto would read from its
 * start.
 */
const bytes = (buffer: Buffer) => new Uint8Array(buffer).buffer;
