export interface TimeSource {
  nowMs(): number;
}

/** RFC 3339 and HTTP dates have years of four digits. */
const END_OF_TIME_MS = Date.UTC(10_000, 0);

/**
 * `livesOnly` moves only `nowMs`, because otherwise the sandbox would refuse the signatures of a caller whose
 * clock does not move.
 */
export class SandboxClock {
  #livesOffsetMs = 0;
  #headersOffsetMs = 0;

  constructor(private readonly source: TimeSource = { nowMs: () => Date.now() }) {}

  /** The time that decides when codes and sessions expire. @returns milliseconds since the Unix epoch */
  nowMs(): number {
    return this.source.nowMs() + this.#livesOffsetMs;
  }

  /** The time for X-Timestamp and the `Date` header. @returns milliseconds since the Unix epoch */
  headerNowMs(): number {
    return this.source.nowMs() + this.#headersOffsetMs;
  }

  /** `nowMs` and `headerNowMs` must stay in the years 1970 to 9999. */
  canAdvance(advanceMs: number): boolean {
    return [this.nowMs(), this.headerNowMs()].every(
      (now) => now + advanceMs >= 0 && now + advanceMs < END_OF_TIME_MS,
    );
  }

  /** A negative `advanceMs` moves the clock back. */
  advance(advanceMs: number, livesOnly = false): void {
    this.#livesOffsetMs += advanceMs;
    if (!livesOnly) this.#headersOffsetMs += advanceMs;
  }

  reset(): void {
    this.#livesOffsetMs = 0;
    this.#headersOffsetMs = 0;
  }
}
