export {
  DEFAULT_CALLER,
  SCOPES,
  isCallerName,
  isKeyCallerName,
  isScope,
  type Caller,
  type Scope,
} from './caller.js';
export { CLOCK, systemClock, type Clock } from './clock.js';
export { hasDuplicateMembers } from './duplicate-members.js';
export {
  FAULT_CODES,
  FAULTS_BY_PROBLEM,
  PASSKEY_FAULTS,
  REQUEST_FAULT_CODES,
  isRequestFaultCode,
  type FaultCode,
  type FieldError,
  type PasskeyFaultCode,
  type RequestFaultCode,
} from './fault.js';
export { isUncoded, listMembers, mediaTypes } from './header-fields.js';
export { isUuid, lowestUuidV7, timeOfUuidV7, uuidV7 } from './id.js';
export { LIMITS, type Limit } from './limit.js';
export { requireNode } from './node-version.js';
export {
  PROBLEM_CODES,
  PROBLEMS,
  ProblemError,
  membersOf,
  problemType,
  statusesOf,
  type ProblemCode,
  type ProblemMember,
} from './problem.js';
export { ROLES, mayActAs, type Role } from './role.js';
export { RANDOM, systemRandom, type Random } from './random.js';
export { Secret, equalInConstantTime } from './secret.js';
export { keepYoungGenerationSmall, letHeapGrow } from './heap-growth.js';
export { inBatches, inBatchesWithRests } from './in-batches.js';
