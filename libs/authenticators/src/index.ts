export { ATTESTATION_CODES } from './attestation-error.js';
export { AuthenticatorsModule } from './authenticators.module.js';
export { AuthenticatorsService } from './authenticators.service.js';
export type { SubmittedAuthenticator } from './submitted-authenticator.js';
