export { Claims, type Asked, type Terms } from './claims.js';
export { DataKeys } from './data-keys.js';
export { EventFollower, type TimelineReader } from './event-follower.js';
export { Fingerprint } from './fingerprint.js';
export { openGrant, sealGrant } from './grant.js';
export { sealRequests } from './kept-requests.js';
export { IdempotencyKeys, type KeyedRequest } from './idempotency-keys.js';
export * from './machine.js';
export { NEXT_ACTION_TYPES, nextActionOf } from './next-action.js';
export { ACTORS, EVENT_TYPES, type OnboardingEvent } from './onboarding-event.entity.js';
export { PARKED_REASONS, RESULT_CODES, type AuthenticatorSummary } from './onboarding.entity.js';
export { OnboardingModule } from './onboarding.module.js';
export { OnboardingLists } from './onboarding-lists.js';
export { OnboardingService } from './onboarding.service.js';
export {
  OnboardingStore,
  chained,
  where,
  type Clause,
  type Condition,
  type Row,
} from './onboarding.store.js';
export { notFound } from './ownership.js';
export { Bindings, NOW, SqlValue, columnsOf, fromNow, sql, type Patch } from './statement.js';
export { Reseal, type KeyUse } from './reseal.js';
export { Retention } from './retention.js';
export { repeatsEffect } from './retry-law.js';
export { StepHandler } from './step.handler.js';
export { StepOutcome, throwIfRefused } from './step-outcome.js';
export { Steps, type Step, type StepEnd, type SubjectRef } from './step.js';
export { Subjects } from './subjects.js';
export { Timelines, type TimelineReport } from './timelines.js';
export { UpkeepHandlers } from './upkeep.handlers.js';
