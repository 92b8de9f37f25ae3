/** The rules read the time here, so that a test can stop it. SQL uses the database's own clock. */
export interface Clock {
  /** Milliseconds since the Unix epoch, as the wall clock has it. */
  nowMs(): number;
  /** Milliseconds on a clock that never jumps; only differences mean anything. */
  monotonicMs(): number;
}

/** Injection token of the {@link Clock}. */
export const CLOCK = Symbol('Clock');

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
};
