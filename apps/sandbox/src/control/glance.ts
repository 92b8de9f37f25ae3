import type { Fault } from './faults.js';
import type { JournalEntry } from './journal.js';
import type { Mail } from './mailbox.js';

/** The page shows at most this many mails, and as many requests. */
export const GLANCE_LIMIT = 200;

/** Everything that the page shows, in one answer, so that all parts show the state at the same moment. */
export interface Glance {
  /** ISO 8601, by the sandbox's clock. */
  now: string;
  /** Newest first, at most {@link GLANCE_LIMIT}. */
  mails: Mail[];
  /** Newest first, at most {@link GLANCE_LIMIT}; without health checks to which no fault applied. */
  requests: JournalEntry[];
  /** The faults that are not used up, in the order in which they apply. */
  faults: readonly Fault[];
  /** The faults that applied to the entries of `requests`. */
  struck: Fault[];
  routes: readonly string[];
}

export interface GlanceFilter {
  /** Part of the recipient's address or phone number. */
  address?: string | undefined;
  userId?: string | undefined;
}

export function isTo(mail: Mail, part = ''): boolean {
  return (mail.contact ?? mail.email).toLowerCase().includes(part.toLowerCase());
}

/**
 * Whether the page shows a request. It hides health checks, because a process supervisor may send one every
 * two seconds, and the page shows only the newest requests.
 */
export function isWorthAGlance({ route, fault }: JournalEntry): boolean {
  return route !== 'health' || fault !== null;
}
