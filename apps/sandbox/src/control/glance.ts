import type { Fault } from './faults.js';
import type { JournalEntry } from './journal.js';
import type { Mail } from './mailbox.js';

/** The page shows at most this many mails, and as many requests. */
export const GLANCE_LIMIT = 200;

/** All data of the page in one answer, so that all parts show the state at the same moment. */
export interface Glance {
  /** ISO 8601, by the sandbox's clock. */
  now: string;
  /** Newest first. */
  mails: Mail[];
  /** Newest first, without health checks to which no fault applied. */
  requests: JournalEntry[];
  /** In the order in which they apply, without used-up faults. */
  faults: readonly Fault[];
  /** The faults that applied to `requests`. */
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

/** Hides health checks, because a process supervisor may send one every two seconds. */
export function isWorthAGlance({ route, fault }: JournalEntry): boolean {
  return route !== 'health' || fault !== null;
}
