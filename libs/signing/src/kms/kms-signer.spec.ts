import { createPublicKey, verify } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { KmsStandIn, type KmsTrouble } from '#libs/testing';
import { SignerError } from '../request-signer.js';
import { openKmsSigner, type KmsSigner } from './kms-signer.js';

let kms: KmsStandIn;
let key: { arn: string; publicKeyHex: string };
let signer: KmsSigner;
const before = { ...process.env };

const open = (keyId: string, endpoint = kms.url) =>
  openKmsSigner({ keyId, region: KmsStandIn.region, endpoint }, 'INTEGRATION_ACME_KMS_KEY_ID');

beforeAll(async () => {
  Object.assign(process.env, KmsStandIn.credentials);
  kms = await KmsStandIn.listen();
  key = kms.createKey();
  kms.alias('alias/acme', key.arn);
  signer = await open(key.arn);
});
afterEach(() => {
  kms.mend();
  kms.calls.length = 0;
});
afterAll(async () => {
  signer.close();
  await kms.close();
  process.env = before;
});

/** The DER prefix of a P-256 SPKI (RFC 5480 §2), then the 33 bytes of the compressed key. */
const publicKey = () =>
  createPublicKey({
    key: Buffer.from(`3039301306072a8648ce3d020106082a8648ce3d030107032200${key.publicKeyHex}`, 'hex'),
    format: 'der',
    type: 'spki',
  });

async function failureOf(work: Promise<unknown>): Promise<SignerError> {
  const error = await work.then(
    () => new Error('it signed'),
    (reason: unknown) => reason,
  );
  if (error instanceof SignerError) return error;
  throw error;
}

describe('a key at KMS', () => {
  it.each(['ARN', 'id', 'alias'])('is found by its %s', async (by) => {
    const keyId = { ARN: key.arn, id: key.arn.split('/')[1]!, alias: 'alias/acme' }[by]!;
    const opened = await open(keyId);
    expect(opened.publicKeyCompressedHex).toBe(key.publicKeyHex);
    expect(await opened.sign(Buffer.from('x'))).toBeInstanceOf(Uint8Array);
    expect(kms.callsOf('Sign')[0]!.body['KeyId']).toBe(keyId);
    opened.close();
  });

  it.each([0, 1, 199, 4_096, 4_097, 250_000])(
    'signs %d bytes, and node:crypto accepts the signature',
    async (size) => {
      const message = Buffer.alloc(size, 0xa5);
      const der = await signer.sign(message);
      const raw = await signer.sign(message, 'raw');
      expect(verify('sha256', message, publicKey(), der)).toBe(true);
      expect(raw).toHaveLength(64);
      expect(verify('sha256', message, { key: publicKey(), dsaEncoding: 'ieee-p1363' }, raw)).toBe(true);
      // KMS receives only the digest of a message, so it sees no code and no address.
      for (const { body } of kms.callsOf('Sign')) {
        expect(body).toMatchObject({ MessageType: 'DIGEST', SigningAlgorithm: 'ECDSA_SHA_256' });
        expect(Buffer.from(String(body['Message']), 'base64')).toHaveLength(32);
      }
    },
  );

  it('pads r and s of a raw signature to 32 bytes each', async () => {
    // In one of 128 signatures, r or s starts with a zero byte, which DER leaves out.
    for (let n = 0; n < 300; n++) {
      const message = Buffer.from(`message ${n}`);
      const raw = await signer.sign(message, 'raw');
      expect(raw).toHaveLength(64);
    }
  });
});

describe('an error stops the boot and names the variable', () => {
  it.each([
    ['ECC_SECG_P256K1', 'it is secp256k1, not on P-256'],
    ['RSA_2048', 'it is rsa, not on P-256'],
    ['ECC_NIST_P256 for ECDH', 'its usage is KEY_AGREEMENT, not SIGN_VERIFY'],
  ] as const)('if the key is %s', async (kind, why) => {
    const { arn } = kms.createKey(kind);
    await expect(open(arn)).rejects.toThrow(
      `INTEGRATION_ACME_KMS_KEY_ID does not name a usable P-256 key at AWS KMS: ${why}`,
    );
  });

  it.each<[string, RegExp]>([
    ['the key does not exist', /refuses to give .*NotFoundException/],
    ['access is denied', /refuses to give .*AccessDeniedException/],
    ['KMS is broken', /could not be asked/],
  ])('if KMS does not give the public key: %s', async (what, message) => {
    if (what === 'access is denied') kms.meet({ error: 'AccessDeniedException', status: 400 });
    if (what === 'KMS is broken') kms.meet({ status: 500 });
    const opened = open(what === 'the key does not exist' ? 'alias/unknown' : key.arn);
    await expect(opened).rejects.toThrow(message);
    await expect(opened).rejects.toThrow('INTEGRATION_ACME_KMS_KEY_ID');
  });

  it('if no server answers', async () => {
    await expect(open(key.arn, 'http://127.0.0.1:1')).rejects.toThrow(
      /^INTEGRATION_ACME_KMS_KEY_ID .* could not be asked/,
    );
  });
});

describe('signing with KMS', () => {
  it.each<[string, KmsTrouble, SignerError['failure']]>([
    ['silence', 'silence', 'unavailable'],
    ['half an answer', 'half an answer', 'unavailable'],
    ['a cut connection', 'cut', 'unavailable'],
    ['a 500', { error: 'KMSInternalException', status: 500 }, 'unavailable'],
    ['a dependency that times out', { error: 'DependencyTimeoutException', status: 503 }, 'unavailable'],
    ['a proxy’s 502', { status: 502 }, 'unavailable'],
    ['denied access', { error: 'AccessDeniedException', status: 400 }, 'refused'],
    ['a disabled key', { error: 'DisabledException', status: 400 }, 'refused'],
    ['a key that is being deleted', { error: 'KMSInvalidStateException', status: 400 }, 'refused'],
    ['a deleted key', { error: 'NotFoundException', status: 400 }, 'refused'],
    ['expired credentials', { error: 'ExpiredTokenException', status: 400 }, 'refused'],
    ['a corrupted signature', 'corrupted', 'unavailable'],
    ['a signature by another key', 'foreign', 'unavailable'],
    ['an alias that was moved', 'moved alias', 'refused'],
  ])('fails if KMS does not sign correctly: %s', async (_, trouble, failure) => {
    kms.meet(trouble);
    const isSilent = trouble === 'silence' || trouble === 'half an answer';
    const error = await failureOf(signer.sign(Buffer.from('x'), 'der', isSilent ? 400 : 20_000));
    expect(error.failure).toBe(failure);
    if (isSilent) {
      expect(error.message).toBe('AWS KMS did not sign within 400 ms');
    }
    // AWS's message contains the account and the user. Ours must not.
    expect(error.message).not.toMatch(/arn:|user\/|111122223333/);
    kms.mend();
    expect(await signer.sign(Buffer.from('x'))).toBeInstanceOf(Uint8Array);
  });

  it.each<[string, KmsTrouble]>([
    ['throttling', { error: 'ThrottlingException', status: 400 }],
    ['a 429', { error: 'SomethingElse', status: 429 }],
    ['a 408', { error: 'SomethingElse', status: 408 }],
  ])('fails if KMS answers every try with a temporary error: %s', async (_, trouble) => {
    kms.meet(trouble);
    const error = await failureOf(signer.sign(Buffer.from('x'), 'der', 20_000));
    expect(error).toMatchObject({
      failure: 'unavailable',
      message: expect.stringContaining((trouble as { error: string }).error),
    });
  });

  it('tries again after a short failure, if time is left', async () => {
    kms.meet({ error: 'KMSInternalException', status: 500 }, 1);
    expect(await signer.sign(Buffer.from('x'), 'der', 3_000)).toBeInstanceOf(Uint8Array);
    expect(kms.callsOf('Sign')).toHaveLength(2);
  });

  it('fails in time if KMS hangs, also for calls that wait for a socket, and opens few sockets', async () => {
    kms.meet('silence');
    const all = Array.from({ length: 200 }, () => failureOf(signer.sign(Buffer.from('x'), 'der', 300)));
    expect(new Set((await Promise.all(all)).map(({ failure }) => failure))).toEqual(new Set(['unavailable']));
    expect(kms.mostSockets).toBeLessThanOrEqual(64);
    // Calls that timed out while they waited for a socket are never sent.
    kms.mend();
    await signer.sign(Buffer.from('x'));
    expect(kms.calls.length).toBeLessThan(150);
  });
});
