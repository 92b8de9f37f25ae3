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

/** Rules that hold even after processes were killed, connections cut and Redis flushed. */
export const INVARIANTS = {
  'I1 no step begins before the previous step has succeeded': stepOrder,
  'I2 at most one call is in flight': inFlight,
  'I3 no code is sent again after a definite answer': codes,
  'I4 attempt numbers only rise, and the tries left only fall': attempts,
  'I5 nothing changes after the onboarding has ended': endings,
  'I6 each change has one event, without a gap': timeline,
  'I7 each accepted command is carried out, or its timeline shows why not': intents,
  'I7 no onboarding is stuck': rest,
  'I8 no session is used in the safety margin before its expiry': sessions,
  'I10 each registered passkey is on the row, or its attempt is unresolved': passkeys,
  'I11 no unresolved attempt is forgotten': doubt,
  'I12 the timeline agrees with the calls at the provider': agreement,
} as const satisfies Record<string, Invariant>;

const I9 = 'I9 each idempotency key makes at most one onboarding';

export const INVARIANT_NAMES = [...Object.keys(INVARIANTS), I9];

/** @param except the rules that the run breaks on purpose, for example `I3`. */
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
    found.push({
      invariant: 'I10 each registered passkey is on the row, or its attempt is unresolved',
      onboardingId: '-',
      detail,
    });
  }
  return found;
}
