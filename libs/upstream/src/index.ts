export { CallEnds, type Failures, type TroubleName } from './call-ends.js';
export type { BreakerState } from './guarded-provider.js';
export { Integrations, type Integration } from './integrations.js';
export type { Rule } from './retry-law.js';
export { PROVIDERS, findProvider, type ProviderKind } from './providers.js';
export {
  FAILURE_CLASSES,
  UpstreamError,
  type CallEvidence,
  type FailureClass,
  type RejectionReason,
} from './upstream-error.js';
export {
  AUTHENTICATOR_TRANSPORTS,
  type AuthenticatorTransport,
  type Call,
  type Custody,
  type DeviceRequest,
  type DeviceSigning,
  type Grant,
  type NewAuthenticator,
  type OtpChoice,
  type OtpProof,
  type ParsedSubject,
  type SentOtp,
  type Subject,
  type UpstreamProvider,
} from './upstream-provider.js';
export { UpstreamModule } from './upstream.module.js';
