export { signByzantineRequest, type ByzantineRequest } from './byzantine-request.js';
export { InvalidKeyError } from './invalid-key-error.js';
export {
  KeyRing,
  SIGNING_ENGINES,
  openKeyRing,
  openSigningKey,
  type KeyEntry,
  type KeyRingOptions,
  type LocalKeyEntry,
  type RemoteKeyEntry,
  type SigningEngineName,
  type SigningKey,
} from './key-ring.js';
export type { KmsKey } from './kms/kms-signer.js';
export { RemoteKeyError } from './kms/remote-key-error.js';
export type { KeyMaterial } from './private-key.js';
export {
  SignerError,
  localSigner,
  type RequestSigner,
  type SignerFailure,
  type SigningLimits,
} from './request-signer.js';
export { SigningModule } from './signing.module.js';
export { activityFingerprint } from './turnkey/activity-fingerprint.js';
export { relayApiKeyStamp, stampTurnkeyRequest } from './turnkey/api-key-stamp.js';
export {
  clientSignatureMessage,
  signClientSignature,
  verifyClientSignature,
  type ClientSignature,
  type TokenUsage,
} from './turnkey/client-signature.js';
export { InvalidProofError } from './turnkey/invalid-proof-error.js';
export { encryptOtpCode } from './turnkey/otp-code.js';
export { newSessionKey, openSessionKey } from './turnkey/session-key.js';
export { turnkeyVerifier, type TurnkeyVerifier } from './turnkey/turnkey-verifier.js';
