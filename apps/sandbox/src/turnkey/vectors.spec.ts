import { createHash, createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { post } from '../../test/turnkey-caller.js';
import { activityOf } from '../../test/turnkey-under-test.js';
import { p256FromScalar } from '../p256.js';
import { startSandbox } from '../sandbox.js';
import { checkClientSignature } from './client-signature.js';
import { mintDoubleHashedJwt, mintJwt, readJwt } from './jwt.js';
import { OtpTarget } from './otp-target.js';
import type { VerificationToken } from './verification-tokens.js';

/** Test vectors from the official packages. Each private key is one repeated byte. */
const vectors = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../test/fixtures/turnkey-vectors.json'), 'utf8'),
) as {
  organizationId: string;
  keys: Record<'api' | 'target' | 'signer' | 'client' | 'notarizer', string>;
  stamp: { body: string; fingerprint: string; deterministic: string; random: string[] };
  otp: { code: string; targetBundleData: string; encryptedOtpBundles: string[] };
  verificationToken: { jwt: string; claims: Record<string, string> };
  session: { jwt: string; claims: Record<string, unknown> };
  clientSignature: { publicKey: string; scheme: string; message: string; signature: string };
};
const keyOf = (name: keyof typeof vectors.keys) => p256FromScalar(vectors.keys[name]);

describe('the sandbox, given the test vectors from Turnkey’s official packages,', () => {
  it('accepts stamps with a low or a high S, and makes one activity for the same body', async () => {
    const { body, fingerprint, deterministic, random } = vectors.stamp;
    const { timestampMs } = JSON.parse(body) as { timestampMs: string };
    const { organizationId } = vectors;
    const turnkey = { organizationId, apiPublicKeys: [keyOf('api').compressed] };
    const sandbox = await startSandbox({ turnkey, clock: { nowMs: () => Number(timestampMs) } });
    const ids = new Set<string>();
    for (const stamp of [deterministic, ...random]) {
      const answer = await post(`${sandbox.url}/public/v1/submit/init_otp`, body, { 'x-stamp': stamp });
      expect(activityOf(answer.body)).toMatchObject({ fingerprint });
      ids.add(activityOf(answer.body).id);
    }
    expect(ids.size).toBe(1);
    expect(sandbox.control.mails()).toMatchObject([{ code: '000000' }]);
    await sandbox.close();
  });

  it('decrypts the encrypted codes', async () => {
    const target = new OtpTarget(keyOf('target'));
    for (const bundle of vectors.otp.encryptedOtpBundles) {
      expect(await target.open(bundle)).toEqual({
        code: vectors.otp.code,
        publicKey: keyOf('client').compressed,
      });
    }
  });

  it('makes the same target bundle for the encryption of codes, with a valid signature', () => {
    const signer = keyOf('signer');
    const bundle = JSON.parse(
      new OtpTarget(keyOf('target')).bundle(signer, vectors.organizationId),
    ) as Record<string, string>;
    expect(bundle).toMatchObject({
      data: vectors.otp.targetBundleData,
      enclaveQuorumPublic: signer.uncompressed,
    });
    const [data, signature] = [bundle['data'], bundle['dataSignature']].map((hex) =>
      Buffer.from(hex ?? '', 'hex'),
    );
    expect(
      verify('sha256', data ?? Buffer.of(), createPublicKey(signer.privateKey), signature ?? Buffer.of()),
    ).toBe(true);
  });

  it('accepts the tokens, and makes the same tokens except for the signature', () => {
    const { jwt, claims } = vectors.verificationToken;
    expect(readJwt(jwt, keyOf('signer'))).toEqual(claims);
    expect(readJwt(jwt, keyOf('notarizer'))).toBeNull();
    const unsigned = (text: string) => text.slice(0, text.lastIndexOf('.'));
    expect(unsigned(mintJwt(claims, keyOf('signer')))).toBe(unsigned(jwt));
    const session = mintDoubleHashedJwt(vectors.session.claims, keyOf('notarizer'));
    expect(unsigned(session)).toBe(unsigned(vectors.session.jwt));
    const once = createHash('sha256').update(unsigned(session)).digest();
    const key = { key: createPublicKey(keyOf('notarizer').privateKey), dsaEncoding: 'ieee-p1363' } as const;
    for (const text of [session, vectors.session.jwt]) {
      const signature = Buffer.from(text.slice(text.lastIndexOf('.') + 1), 'base64url');
      expect(verify('sha256', once, key, signature)).toBe(true);
    }
  });

  it('accepts the client signature, and refuses it if one digit is changed', () => {
    const { clientSignature, verificationToken } = vectors;
    const { id: tokenId = '', public_key: publicKey = '' } = verificationToken.claims;
    const token = { tokenId, publicKey } as VerificationToken;
    const check = (given: typeof clientSignature) =>
      checkClientSignature(given, token, 'USAGE_TYPE_LOGIN', [{ login: { publicKey } }]);
    check(clientSignature);
    const signature = clientSignature.signature.replace(/^./, '3');
    expect(() => check({ ...clientSignature, signature })).toThrow('does not verify');
  });
});
