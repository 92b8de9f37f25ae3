import type { Invariant } from '../invariant.js';
import type { Command, History, Told } from '../history.js';

/** The event in which an accepted command shows, and whether it carries the caller's reason. */
const SHOWS_AS: Partial<Record<Command, { types: string[]; byReason: boolean }>> = {
  verify: { types: ['otp_submitted'], byReason: false },
  authenticators: { types: ['authenticators_submitted'], byReason: false },
  resend: { types: ['otp_resend_asked'], byReason: true },
  cancel: { types: ['cancelled'], byReason: true },
  resolve: { types: ['resolved'], byReason: true },
};

const isAccepted = ({ status }: Told) => status >= 200 && status < 300;

/**
 * What was accepted was written, and is still there after every crash: exactly once for each key, however often
 * it was asked.
 */
export const intents: Invariant = ({ row, events, told }) => {
  const found: string[] = [];
  for (const { version, what, at } of told) {
    if (version !== null && version > row.version) {
      found.push(
        `${what} was told version ${version} at ${new Date(at).toISOString()}, the row has ${row.version}`,
      );
    }
  }
  for (const [what, { types, byReason }] of Object.entries(SHOWS_AS)) {
    const ofKind = told.filter((each) => each.what === what && each.key !== null);
    const accepted = new Set(ofKind.filter(isAccepted).map(({ key }) => key!));
    const shown = events.filter(({ type }) => types.includes(type));
    if (byReason) {
      const reasons = new Map<string, number>();
      for (const { data } of shown)
        if (data.reason) reasons.set(data.reason, (reasons.get(data.reason) ?? 0) + 1);
      for (const key of accepted)
        if (!reasons.has(key)) found.push(`${what} ${key} was accepted, and left no event`);
      for (const [key, times] of reasons)
        if (times > 1) found.push(`${what} ${key} was carried out ${times} times`);
    } else if (shown.length < accepted.size) {
      found.push(`${accepted.size} times ${what} was accepted, and it shows ${shown.length} times`);
    }
  }
  return found;
};

/** A start's key is its `externalRef`, too: two onboardings of one key show even where no caller heard of them. */
export function oneOnboardingPerKey({ onboardings }: History): { onboardingId: string; detail: string }[] {
  const found: { onboardingId: string; detail: string }[] = [];
  const owners = new Map<string, string>();
  const own = (key: string, onboardingId: string) => {
    const owner = owners.get(key);
    if (owner !== undefined && owner !== onboardingId) {
      found.push({ onboardingId, detail: `key ${key} belongs to ${owner}, too` });
    }
    owners.set(key, onboardingId);
  };
  for (const { row, told } of onboardings) {
    if (row.externalRef) own(row.externalRef, row.id);
    for (const { key, status } of told) if (key !== null && status < 300) own(key, row.id);
  }
  return found;
}
