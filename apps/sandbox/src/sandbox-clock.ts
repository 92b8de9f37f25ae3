/** Whatever tells the time; the project's `Clock` fits. */
export interface TimeSource {
  nowMs(): number;
}

/** RFC 3339 and HTTP dates have years of four digits. */
const END_OF_TIME_MS = Date.UTC(10_000, 0);

/**
 * The sandbox's clock: a time source plus what `POST /_sandbox/clock` moved it by.
 *
 * There are two hands. `nowMs` rules the lives of codes and sessions; `headerNowMs` rules the window of
 * X-Timestamp and the `Date` header. They move together unless told otherwise: a caller whose own clock
 * stays where it is would find every later signature stale, when all it wanted was an expired code.
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

  /** Whether both hands can move that far: what answers say of a time has no words for another year. */
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
