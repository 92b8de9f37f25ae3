import type { Invariant } from '../invariant.js';
import type { CallerAnswer, Command, History } from '../history.js';

/** The events of an accepted command, and whether they contain the caller's reason. */
const SHOWS_AS: Partial<Record<Command, { types: string[]; byReason: boolean }>> = {
  verify: { types: ['otp_submitted'], byReason: false },
  authenticators: { types: ['authenticators_submitted'], byReason: false },
  resend: { types: ['otp_resend_asked'], byReason: true },
  cancel: { types: ['cancelled'], byReason: true },
  resolve: { types: ['resolved'], byReason: true },
};

const isAccepted = ({ status }: CallerAnswer) => status >= 200 && status < 300;

/** For each idempotency key, an accepted command is carried out exactly once. */
export const intents: Invariant = ({ row, events, answers }) => {
  const found: string[] = [];
  for (const { version, what, at } of answers) {
    if (version !== null && version > row.version) {
      found.push(
        `${what} got version ${version} at ${new Date(at).toISOString()}, but the row has ${row.version}`,
      );
    }
  }
  for (const [what, { types, byReason }] of Object.entries(SHOWS_AS)) {
    const ofKind = answers.filter((each) => each.what === what && each.key !== null);
    const accepted = new Set(ofKind.filter(isAccepted).map(({ key }) => key!));
    const shown = events.filter(({ type }) => types.includes(type));
    if (byReason) {
      const reasons = new Map<string, number>();
      for (const { data } of shown)
        if (data.reason) reasons.set(data.reason, (reasons.get(data.reason) ?? 0) + 1);
      for (const key of accepted)
        if (!reasons.has(key)) found.push(`${what} ${key} was accepted, but left no event`);
      for (const [key, times] of reasons)
        if (times > 1) found.push(`${what} ${key} was carried out ${times} times`);
    } else if (shown.length < accepted.size) {
      found.push(`${what} was accepted ${accepted.size} times, but left ${shown.length} events`);
    }
  }
  return found;
};

/**
 * Finds idempotency keys of two onboardings, even if answers were lost: callers use the key as `externalRef`
 * too.
 */
export function oneOnboardingPerKey({ onboardings }: History): { onboardingId: string; detail: string }[] {
  const found: { onboardingId: string; detail: string }[] = [];
  const owners = new Map<string, string>();
  const own = (key: string, onboardingId: string) => {
    const owner = owners.get(key);
    if (owner !== undefined && owner !== onboardingId) {
      found.push({ onboardingId, detail: `the idempotency key ${key} also belongs to onboarding ${owner}` });
    }
    owners.set(key, onboardingId);
  };
  for (const { row, answers } of onboardings) {
    if (row.externalRef) own(row.externalRef, row.id);
    for (const { key, status } of answers) if (key !== null && status < 300) own(key, row.id);
  }
  return found;
}
