import { BoundedLog } from './bounded-log.js';

/** One upstream request as the sandbox saw it. It never contains a code or a session. */
export interface JournalEntry {
  /** Counts from 1 without gaps; starts from 1 again after a reset. */
  seq: number;
  /** ISO 8601, by the sandbox's clock. */
  at: string;
  /** The last segment of the path, e.g. `init-otp`; the whole path if the sandbox has no such route. */
  route: string;
  method: string;
  userId: string | null;
  accountId: string | null;
  otpId: string | null;
  /** Only for Turnkey: the organization that the body names. */
  organizationId?: string | null;
  /**
   * Only for Turnkey: the address or phone number. It is in the body, or belongs to the code or token that
   * the body names.
   */
  contact?: string | null;
  headers: {
    pubkey: string | null;
    timestampSkewMs: number | null;
    signatureOk: boolean;
    /** `X-Request-Id`, with which a caller can find its request. */
    requestId: string | null;
  };
  /** The effect, e.g. `{type: 'otp_sent', otpId}`; null if there was none. */
  effect: object | null;
  /**
   * The HTTP status; `cut` if a fault cut the connection; `client_gone` if the caller closed the connection
   * first; null while the request is running.
   */
  answer: number | 'cut' | 'client_gone' | null;
  /** The time immediately before the first byte of the answer. ISO 8601, by the sandbox's clock. */
  answeredAt: string | null;
  fault: number | null;
}

/** A filter for requests. A missing member matches all requests. */
export interface JournalFilter {
  userId?: string | undefined;
  organizationId?: string | undefined;
  contact?: string | undefined;
  route?: string | undefined;
}

export class Journal {
  readonly #entries = new BoundedLog<JournalEntry>();
  #lastSeq = 0;

  /** Adds an entry when a request arrives. The calling code completes the entry. */
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

  /** @returns the requests that match the filter, oldest first. */
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
