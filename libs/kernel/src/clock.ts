/** The source of the time, so that a test can stop the time. SQL uses the clock of the database. */
export interface Clock {
  /** Milliseconds since the Unix epoch, by the wall clock. */
  nowMs(): number;
  /** Milliseconds on a clock that never jumps. Only differences of two values mean anything. */
  monotonicMs(): number;
}

export const CLOCK = Symbol('Clock');

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
