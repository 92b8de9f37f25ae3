import type { Fault } from './faults.js';
import type { JournalEntry } from './journal.js';
import type { Mail } from './mailbox.js';

/** The most mails and requests that the page shows. */
export const GLANCE_LIMIT = 200;

/** Everything that the page shows, in one answer, so that all its parts are of the same moment. */
export interface Glance {
  /** ISO 8601, by the sandbox's clock. */
  now: string;
  /** Newest first, at most {@link GLANCE_LIMIT}. */
  mails: Mail[];
  /** Newest first, at most {@link GLANCE_LIMIT}; without the health checks that no fault struck. */
  requests: JournalEntry[];
  /** The faults with strikes left, in the order they strike. */
  faults: readonly Fault[];
  /** The faults that struck one of the requests. */
  struck: Fault[];
  /** The routes that a fault can strike. */
  routes: readonly string[];
}

export interface GlanceFilter {
  /** Part of the recipient's address or phone number. */
  address?: string | undefined;
  /** The user whose requests to show. */
  userId?: string | undefined;
}

/** Whether the recipient's address contains this part. */
export function isTo(mail: Mail, part = ''): boolean {
  return (mail.contact ?? mail.email).toLowerCase().includes(part.toLowerCase());
}

/** Hides health checks: supervisors send one every other second, which would push out all other requests. */
export function isWorthAGlance({ route, fault }: JournalEntry): boolean {
  return route !== 'health' || fault !== null;
}
