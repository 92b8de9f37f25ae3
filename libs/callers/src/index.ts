export { ApiKeys, type ApiKey, type MadeApiKey, type NewApiKey } from './api-keys.js';
export { Audit, type KeptEvent, type Who } from './audit.js';
export { admitCallers } from './caller-gate.js';
export { CallerGuard } from './caller.guard.js';
export { CallersModule } from './callers.module.js';
export { networkOf } from './client-address.js';
export { throwIfOver } from './limit-headers.js';
export { RateLimits } from './rate-limits.js';
export { Requires } from './requires.decorator.js';
