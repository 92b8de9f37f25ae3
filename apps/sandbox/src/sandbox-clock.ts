/** A source of the time; the project's `Clock` fits. */
export interface TimeSource {
  nowMs(): number;
}

/** RFC 3339 and HTTP dates have years of four digits. */
const END_OF_TIME_MS = Date.UTC(10_000, 0);

/**
 * The sandbox's clock: a time source plus the offset that `POST /_sandbox/clock` sets.
 *
 * It has two times. `nowMs` is for the lives of codes and sessions; `headerNowMs` is for the window of
 * X-Timestamp and the `Date` header. They move together unless `livesOnly` is set. A caller that only wants
 * an expired code sets it: its own clock does not move, and its later signatures would be stale.
 */
export class SandboxClock {
  #livesOffsetMs = 0;
  #headersOffsetMs = 0;

  constructor(private readonly source: TimeSource = { nowMs: () => Date.now() }) {}

  /** Milliseconds since the Unix epoch, for lives. */
  nowMs(): number {
    return this.source.nowMs() + this.#livesOffsetMs;
  }

  /** Milliseconds since the Unix epoch, for request headers. */
  headerNowMs(): number {
    return this.source.nowMs() + this.#headersOffsetMs;
  }

  /** Whether both times stay in the years that answers can express. */
  canAdvance(advanceMs: number): boolean {
    return [this.nowMs(), this.headerNowMs()].every(
      (now) => now + advanceMs >= 0 && now + advanceMs < END_OF_TIME_MS,
    );
  }

  /** Moves the clock by `advanceMs` (negative: back); with `livesOnly` the header window stays. */
  advance(advanceMs: number, livesOnly = false): void {
    this.#livesOffsetMs += advanceMs;
    if (!livesOnly) this.#headersOffsetMs += advanceMs;
  }

  reset(): void {
    this.#livesOffsetMs = 0;
    this.#headersOffsetMs = 0;
  }
}
