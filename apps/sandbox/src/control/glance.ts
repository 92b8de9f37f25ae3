import type { Fault } from './faults.js';
import type { JournalEntry } from './journal.js';
import type { Mail } from './mailbox.js';

/** How much of each a person looks at. */
export const GLANCE_LIMIT = 200;

/** What the page shows, in one answer, so that its parts are of one moment. */
export interface Glance {
  /** ISO 8601, by the sandbox's clock. */
  now: string;
  /** Newest first, at most {@link GLANCE_LIMIT}. */
  mails: Mail[];
  /** Newest first, at most {@link GLANCE_LIMIT}; without the health checks that no fault struck. */
  requests: JournalEntry[];
  /** The faults with strikes left, in the order they strike. */
  faults: readonly Fault[];
  /** Those that struck one of the requests. */
  struck: Fault[];
  /** What a fault can strike. */
  routes: readonly string[];
}

export interface GlanceFilter {
  /** A part of the address or phone number that mails went to. */
  address?: string | undefined;
  /** Whose requests to show. */
  userId?: string | undefined;
}

/** Whether a mail went to an address that has this part in it. */
export function isTo(mail: Mail, part = ''): boolean {
  return (mail.contact ?? mail.email).toLowerCase().includes(part.toLowerCase());
}

/** Supervisors ask for health every other second: two hundred of those would be all there is to see. */
export function isWorthAGlance({ route, fault }: JournalEntry): boolean {
  return route !== 'health' || fault !== null;
}
