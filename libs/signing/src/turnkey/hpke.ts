import {
  Aes256Gcm,
  CipherSuite,
  DhkemP256HkdfSha256,
  HkdfSha256,
  type SenderContextParams,
} from '@hpke/core';

/** RFC 9180 §7: KEM 0x0010, KDF 0x0001, AEAD 0x0002. */
const SUITE = new CipherSuite({
  kem: new DhkemP256HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});

const INFO = Buffer.from('turnkey_hpke', 'ascii');

/**
 * Encrypts one message to a key of Turnkey's enclave: HPKE in base mode (RFC 9180 §5.1.1), with Turnkey's
 * `info` and both public keys as associated data. The encapsulated key is known only after a context is made,
 * so the single-shot call cannot be used.
 *
 * @param target uncompressed, 65 bytes.
 * @param ephemeral only for tests. Two messages under one ephemeral key share key and nonce, which breaks the
 *   encryption.
 * @returns JSON with `encappedPublic` (65 bytes) and `ciphertext` (with a tag of 16 bytes at its end), in
 *   hex.
 */
export async function encryptToEnclave(
  target: Uint8Array,
  plaintext: Uint8Array,
  ephemeral?: SenderContextParams['ekm'],
): Promise<string> {
  const recipientPublicKey = await SUITE.kem.deserializePublicKey(target);
  const context = await SUITE.createSenderContext({
    recipientPublicKey,
    info: INFO,
    ...(ephemeral && { ekm: ephemeral }),
  });
  const encapped = Buffer.from(context.enc);
  const ciphertext = await context.seal(plaintext, Buffer.concat([encapped, target]));
  return JSON.stringify({
    encappedPublic: encapped.toString('hex'),
    ciphertext: Buffer.from(ciphertext).toString('hex'),
  });
}
