/** Injected, so that a test can stop the time. SQL uses the clock of the database. */
export interface Clock {
  /** Since the Unix epoch, by the wall clock. */
  nowMs(): number;
  /** On a clock that never jumps. Only differences have a meaning. */
  monotonicMs(): number;
}

export const CLOCK = Symbol('Clock');

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
