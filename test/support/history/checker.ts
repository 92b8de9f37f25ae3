import { agreement } from './invariants/agreement.js';
import { attempts } from './invariants/attempts.js';
import { codes } from './invariants/codes.js';
import { doubt } from './invariants/doubt.js';
import { endings } from './invariants/endings.js';
import { inFlight } from './invariants/in-flight.js';
import { intents, oneOnboardingPerKey } from './invariants/intents.js';
import { passkeys } from './invariants/passkeys.js';
import { rest } from './invariants/rest.js';
import { sessions } from './invariants/sessions.js';
import { stepOrder } from './invariants/step-order.js';
import { timeline } from './invariants/timeline.js';
import type { History } from './history.js';
import type { Invariant, Terms } from './invariant.js';

export interface Violation {
  invariant: string;
  onboardingId: string;
  detail: string;
}

/** What must hold for every onboarding, even after kills, cuts, flushes and wrong answers. */
export const INVARIANTS = {
  'I1 no step without the success of the one before': stepOrder,
  'I2 at most one call in flight': inFlight,
  'I3 no code sent again after a definite answer': codes,
  'I4 counters never fall': attempts,
  'I5 ended is ended': endings,
  'I6 one event per change, no gap': timeline,
  'I7 every accepted intent is carried out or visibly ended': intents,
  'I7 nothing is stuck': rest,
  'I8 no session past its margin': sessions,
  'I10 every passkey is ours or in doubt': passkeys,
  'I11 doubt is never forgotten': doubt,
  'I12 what we wrote agrees with what upstream did': agreement,
} as const satisfies Record<string, Invariant>;

const I9 = 'I9 one idempotency key, one onboarding';

export const INVARIANT_NAMES = [...Object.keys(INVARIANTS), I9];

/** Checks a history against every invariant except those that the run broke on purpose. */
export function check(history: History, terms: Terms, except: readonly string[] = []): Violation[] {
  const found: Violation[] = oneOnboardingPerKey(history).map((each) => ({ invariant: I9, ...each }));
  for (const onboarding of history.onboardings) {
    for (const [invariant, holds] of Object.entries<Invariant>(INVARIANTS)) {
      if (except.includes(invariant.split(' ', 1)[0]!)) continue;
      for (const detail of holds(onboarding, terms)) {
        found.push({ invariant, onboardingId: onboarding.row.id, detail });
      }
    }
  }
  const owned = new Set(
    history.onboardings.flatMap(({ calls }) =>
      calls.flatMap(
        ({ effect }) => (effect?.type === 'authenticators_created' && effect.credentialIds) || [],
      ),
    ),
  );
  for (const { credentialId, userId } of history.passkeys) {
    if (owned.has(credentialId)) continue;
    const detail = `passkey ${credentialId} of user ${userId} came from no call of this run`;
    found.push({ invariant: 'I10 every passkey is ours or in doubt', onboardingId: '-', detail });
  }
  return found;
}
