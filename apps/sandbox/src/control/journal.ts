import { BoundedLog } from './bounded-log.js';

/** One upstream request. It never contains a code or a session. */
export interface JournalEntry {
  /** Counts from 1 without gaps, and starts again after a reset. */
  seq: number;
  /** ISO 8601, by the sandbox's clock. */
  at: string;
  /** The last segment of the path, e.g. `init-otp`; the whole path for an unknown route. */
  route: string;
  method: string;
  userId: string | null;
  accountId: string | null;
  otpId: string | null;
  /** Only for Turnkey. */
  organizationId?: string | null;
  /** Only for Turnkey: the contact in the body, or of the code or token that the body names. */
  contact?: string | null;
  headers: {
    pubkey: string | null;
    timestampSkewMs: number | null;
    signatureOk: boolean;
    /** `X-Request-Id`. */
    requestId: string | null;
  };
  /** E.g. `{type: 'otp_sent', otpId}`; null if there was no effect. */
  effect: object | null;
  /**
   * The HTTP status. `cut`: a fault cut the connection. `client_gone`: the caller closed it first. Null: the
   * request is running.
   */
  answer: number | 'cut' | 'client_gone' | null;
  /** Immediately before the first byte of the answer. ISO 8601, by the sandbox's clock. */
  answeredAt: string | null;
  fault: number | null;
}

/** A missing member matches all requests. */
export interface JournalFilter {
  userId?: string | undefined;
  organizationId?: string | undefined;
  contact?: string | undefined;
  route?: string | undefined;
}

export class Journal {
  readonly #entries = new BoundedLog<JournalEntry>();
  #lastSeq = 0;

  /** Adds an entry, which the calling code completes. */
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

  /** @returns the requests, oldest first */
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
