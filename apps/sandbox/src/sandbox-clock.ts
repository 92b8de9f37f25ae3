export interface TimeSource {
  nowMs(): number;
}

/** RFC 3339 and HTTP dates have years of four digits. */
const END_OF_TIME_MS = Date.UTC(10_000, 0);

/**
 * A time source plus the offset that `POST /_sandbox/clock` sets.
 *
 * `livesOnly` moves only `nowMs`. Otherwise, the sandbox would refuse the signatures of a caller whose own
 * clock does not move.
 */
export class SandboxClock {
  #livesOffsetMs = 0;
  #headersOffsetMs = 0;

  constructor(private readonly source: TimeSource = { nowMs: () => Date.now() }) {}

  /** @returns the time that decides when codes and sessions expire, in milliseconds since the Unix epoch. */
  nowMs(): number {
    return this.source.nowMs() + this.#livesOffsetMs;
  }

  /** @returns the time for X-Timestamp and the `Date` header, in milliseconds since the Unix epoch. */
  headerNowMs(): number {
    return this.source.nowMs() + this.#headersOffsetMs;
  }

  /** Whether `nowMs` and `headerNowMs` would still be in the years 1970 to 9999 after this move. */
  canAdvance(advanceMs: number): boolean {
    return [this.nowMs(), this.headerNowMs()].every(
      (now) => now + advanceMs >= 0 && now + advanceMs < END_OF_TIME_MS,
    );
  }

  /**
   * Moves the clock by `advanceMs` (a negative value moves it back). With `livesOnly`, `headerNowMs` does not
   * move.
   */
  advance(advanceMs: number, livesOnly = false): void {
    this.#livesOffsetMs += advanceMs;
    if (!livesOnly) this.#headersOffsetMs += advanceMs;
  }

  reset(): void {
    this.#livesOffsetMs = 0;
    this.#headersOffsetMs = 0;
  }
}
