import { BoundedLog } from './bounded-log.js';

/** One upstream request as the sandbox saw it. Never a code, never a session. */
export interface JournalEntry {
  /** Counts from 1, gapless, again from 1 after a reset. */
  seq: number;
  /** ISO 8601, by the sandbox's clock. */
  at: string;
  /** The operation, e.g. `init-otp`; the path where it is none. */
  route: string;
  method: string;
  userId: string | null;
  accountId: string | null;
  otpId: string | null;
  /** Turnkey's only: the organization that the body names. */
  organizationId?: string | null;
  /** Turnkey's only: the address or phone number it is about, named by the body or known of its code or token. */
  contact?: string | null;
  headers: {
    pubkey: string | null;
    timestampSkewMs: number | null;
    signatureOk: boolean;
    /** `X-Request-Id`, by which a caller may find its own request again. */
    requestId: string | null;
  };
  /** What was done, e.g. `{type: 'otp_sent', otpId}`; null if nothing was. */
  effect: object | null;
  /** The status answered; `cut` by a fault; `client_gone` if the caller hung up first; null while in flight. */
  answer: number | 'cut' | 'client_gone' | null;
  /** When that was, right before the answer's first byte. ISO 8601, by the sandbox's clock. */
  answeredAt: string | null;
  /** The id of the fault that struck. */
  fault: number | null;
}

/** Which requests to show; what is missing does not narrow them down. */
export interface JournalFilter {
  userId?: string | undefined;
  organizationId?: string | undefined;
  contact?: string | undefined;
  route?: string | undefined;
}

/** Every upstream request seen, in order of arrival. */
export class Journal {
  readonly #entries = new BoundedLog<JournalEntry>();
  #lastSeq = 0;

  /** Writes down an arrival; the entry is the caller's to complete. */
  open(arrival: Omit<JournalEntry, 'seq' | 'effect' | 'answer' | 'answeredAt' | 'fault'>): JournalEntry {
    this.#lastSeq += 1;
    const entry = {
      seq: this.#lastSeq,
      ...arrival,
      effect: null,
      answer: null,
      answeredAt: null,
      fault: null,
    };
    this.#entries.add(entry);
    return entry;
  }

  /** The requests of one user, organization, contact or route, oldest first; all of them without a filter. */
  list({ userId, organizationId, contact, route }: JournalFilter = {}): JournalEntry[] {
    const lower = (value: string | null | undefined) => value?.toLowerCase();
    return this.#entries
      .filter((entry) => userId === undefined || entry.userId === lower(userId))
      .filter((entry) => organizationId === undefined || entry.organizationId === lower(organizationId))
      .filter((entry) => contact === undefined || lower(entry.contact) === lower(contact))
      .filter((entry) => route === undefined || entry.route === route);
  }

  reset(): void {
    this.#entries.clear();
    this.#lastSeq = 0;
  }
}
