import { expect, it } from '@jest/globals';
import * as official from '@turnkey/crypto';
import { turnkeyVectors } from '../fixtures/turnkey-vectors.js';
import { InvalidKeyError } from '../invalid-key-error.js';
import { decodePublicKey } from '../public-key.js';
import { PRODUCTION_ENCLAVE_KEYS } from './enclave-keys.js';
import { turnkeyVerifier } from './turnkey-verifier.js';

const { keys, tokens, otp } = turnkeyVectors;
const NOW_MS = 1_760_000_000_000;
const signerPublicKey = keys.tlsFetcherSigner.publicKeyCompressedHex;
const notarizerPublicKey = keys.notarizer.publicKeyUncompressedHex;

it('the verifier checks each kind of proof with the public key of its signer', () => {
  const verifier = turnkeyVerifier({ signerPublicKey, notarizerPublicKey });
  expect(verifier.otpTarget(otp.targetBundle).publicKey.compressedHex).toBe(
    keys.enclaveTarget.publicKeyCompressedHex,
  );
  expect(verifier.verificationToken(tokens.verification.jwt, NOW_MS).contact).toBe('user@example.com');
  expect(verifier.sessionToken(tokens.session.jwt, NOW_MS).userId).toBe(tokens.session.claims['user_id']);
});

it('the verifier trusts only the production keys by default', () => {
  expect(PRODUCTION_ENCLAVE_KEYS).toEqual({
    signer: official.PRODUCTION_TLS_FETCHER_SIGN_PUBLIC_KEY,
    notarizer: official.PRODUCTION_NOTARIZER_SIGN_PUBLIC_KEY,
  });
  const refused = (reason: string) => expect.objectContaining({ name: 'InvalidProofError', reason });
  const verifier = turnkeyVerifier();
  expect(() => verifier.otpTarget(otp.targetBundle)).toThrow(refused('wrong_key'));
  expect(() => verifier.verificationToken(tokens.verification.jwt, NOW_MS)).toThrow(refused('bad_signature'));
  expect(() => verifier.sessionToken(tokens.session.jwt, NOW_MS)).toThrow(refused('bad_signature'));

  const enclaveQuorumPublic = PRODUCTION_ENCLAVE_KEYS.signer;
  const forged = JSON.stringify({ ...(JSON.parse(otp.targetBundle) as object), enclaveQuorumPublic });
  expect(() => verifier.otpTarget(forged)).toThrow(refused('bad_signature'));
});

it('the verifier throws for an invalid key and names the key', () => {
  const broken = signerPublicKey.slice(2);
  expect(() => turnkeyVerifier({ signerPublicKey: broken })).toThrow(InvalidKeyError);
  expect(() => turnkeyVerifier({ signerPublicKey: broken })).toThrow(/^signerPublicKey .* public key/);
  expect(() => turnkeyVerifier({ notarizerPublicKey: '' })).toThrow(/^notarizerPublicKey .* public key/);
  expect(decodePublicKey(broken)).toBeUndefined();
});
