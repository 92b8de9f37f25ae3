import { Onboardings1763600000000 } from './1763600000000-onboardings.js';
import { IdempotencyKeys1763700000000 } from './1763700000000-idempotency-keys.js';
import { OnboardingsByState1763800000000 } from './1763800000000-onboardings-by-state.js';
import { ReplayedRequests1763900000000 } from './1763900000000-replayed-requests.js';
import { Callers1764000000000 } from './1764000000000-callers.js';
import { Owners1764100000000 } from './1764100000000-owners.js';
import { SealedData1764200000000 } from './1764200000000-sealed-data.js';
import { Operators1764300000000 } from './1764300000000-operators.js';
import { FirstPasswords1764400000000 } from './1764400000000-first-passwords.js';
import { Indexes1764500000000 } from './1764500000000-indexes.js';
import { CredentialIds1764600000000 } from './1764600000000-credential-ids.js';
import { Restorable1764800000000 } from './1764800000000-restorable.js';
import { IntegrationHealth1764900000000 } from './1764900000000-integration-health.js';
import { ChallengeTries1765000000000 } from './1765000000000-challenge-tries.js';
import { IntegrationTrials1765100000000 } from './1765100000000-integration-trials.js';

/** In order, by hand: a glob finds nothing once the code is built elsewhere. */
export const MIGRATIONS = [
  Onboardings1763600000000,
  IdempotencyKeys1763700000000,
  OnboardingsByState1763800000000,
  ReplayedRequests1763900000000,
  Callers1764000000000,
  Owners1764100000000,
  SealedData1764200000000,
  Operators1764300000000,
  FirstPasswords1764400000000,
  Indexes1764500000000,
  CredentialIds1764600000000,
  Restorable1764800000000,
  IntegrationHealth1764900000000,
  ChallengeTries1765000000000,
  IntegrationTrials1765100000000,
];
