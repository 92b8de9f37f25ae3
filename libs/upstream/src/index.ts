export type { Failures, TroubleName } from './call-ends.js';
export type { BreakerState } from './guarded-provider.js';
export { Integrations, type Integration } from './integrations.js';
export type { Provider } from './define-provider.js';
export type { Rule } from './port/retry-law.js';
export { PROVIDERS, findProvider, type ProviderKind } from './providers.js';
export {
  FAILURE_CLASSES,
  UpstreamError,
  NOTHING_SENT,
  type CallEvidence,
  type FailureClass,
  type RejectionReason,
} from './port/upstream-error.js';
export type {
  AuthenticatorTransport,
  Call,
  DeviceRequest,
  DeviceSigning,
  Grant,
  NewAuthenticator,
  OtpChoice,
  OtpProof,
  ParsedSubject,
  SentOtp,
  Subject,
  UpstreamProvider,
} from './port/upstream-provider.js';
export { checkContracts, type ContractFinding } from './contract-check.js';
export { redacted } from './refusal-text.js';
export { UpstreamModule } from './upstream.module.js';
