export { signByzantineRequest } from './byzantine-request.js';
export { openSigner } from './open-signer.js';
export { newPrivateKey, parsePrivateKey } from './private-key.js';
export { SignerError, type RequestSigner, type SigningKey } from './request-signer.js';
export { activityFingerprint } from './turnkey/activity-fingerprint.js';
export { verifyTurnkeyStamp, stampTurnkeyRequest } from './turnkey/api-key-stamp.js';
export {
  clientSignatureMessage,
  signClientSignature,
  verifyClientSignature,
} from './turnkey/client-signature.js';
export { InvalidProofError } from './turnkey/invalid-proof-error.js';
export { encryptOtpCode } from './turnkey/otp-code.js';
export { turnkeyVerifier, type TurnkeyVerifier } from './turnkey/turnkey-verifier.js';
