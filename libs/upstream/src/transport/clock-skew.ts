import type { Clock } from '#libs/kernel';
import type { HttpAnswer, Instant } from './http-client.js';
import { httpDate } from './http-date.js';

/** A reading is valid for this time. */
const TRUSTED_MS = 60_000;
/** If our wall clock drifts by more from our monotonic clock, it was set or the machine slept. */
const PARTED_MS = 1_000;

/**
 * What one answer shows: the provider's clock is between `leastMs` and `mostMs` ahead of ours. Negative:
 * behind.
 */
interface Reading {
  dateMs: number;
  leastMs: number;
  mostMs: number;
  at: Instant;
}

/** Above `warnMs`, a second answer must confirm the difference. Above `stopMs`, no step is sent. */
export interface SkewLimits {
  warnMs: number;
  stopMs: number;
}

/**
 * The difference between a provider's clock and ours, measured by the header `Date` of its answers (RFC 9110
 * §6.6.1). It matters, because a provider may accept a signature for one minute only. A cache, a proxy or one
 * of several servers may send a wrong `Date`. Therefore two answers with different seconds must agree.
 */
export class ClockSkew {
  #last: Reading | null = null;
  /** The difference on which two answers agree; 0 if there is none. */
  #agreedMs = 0;

  constructor(
    private readonly clock: Clock,
    private readonly limits: SkewLimits = { warnMs: Infinity, stopMs: Infinity },
  ) {}

  saw(answer: Pick<HttpAnswer, 'headers' | 'sentAt' | 'headAt'>): void {
    const reading = readingOf(answer);
    if (!reading) return;
    const before = this.#current();
    // A cached page always has the same `Date`, so an answer with the same second confirms nothing.
    if (before?.dateMs === reading.dateMs) return;
    const agrees = before !== null && overlap(before, reading);
    this.#agreedMs = agrees ? Math.min(distance(before), distance(reading)) : 0;
    this.#last = reading;
  }

  /** @returns the confirmed difference, never negative; 0 if there is none. */
  ms(): number {
    return this.#current() ? this.#agreedMs : 0;
  }

  /** @returns the difference that the last answer shows, confirmed or not. */
  lastMs(): number {
    const last = this.#current();
    return last ? distance(last) : 0;
  }

  /** Whether the clocks differ too much to send a step. */
  get stops(): boolean {
    return this.ms() >= this.limits.stopMs;
  }

  /** Whether the last answer alone shows a difference that would stop the steps. */
  get mayStop(): boolean {
    return this.lastMs() >= this.limits.stopMs;
  }

  /** Whether another answer is needed, to confirm a difference or to see that it has ended. */
  get wantsAnswer(): boolean {
    const { warnMs } = this.limits;
    return this.stops || this.mayStop || (this.lastMs() >= warnMs && this.ms() < warnMs);
  }

  #current(): Reading | null {
    if (this.#last) {
      const now = { wallMs: this.clock.nowMs(), monotonicMs: this.clock.monotonicMs() };
      const old = now.monotonicMs - this.#last.at.monotonicMs >= TRUSTED_MS;
      if (old || haveParted(this.#last.at, now)) this.#last = null;
    }
    return this.#last;
  }
}

function readingOf({ headers, sentAt, headAt }: Pick<HttpAnswer, 'headers' | 'sentAt' | 'headAt'>) {
  const dateMs = httpDate(headers['date']);
  // An answer with the header `Age` comes from a cache, so its `Date` is old (RFC 9111 §5.1).
  if (dateMs === null || headers['age'] !== undefined || haveParted(sentAt, headAt)) return null;
  // `Date` has whole seconds, so it may be up to a second too early.
  const mostMs = dateMs + 1_000 - sentAt.wallMs;
  return { dateMs, leastMs: dateMs - headAt.wallMs, mostMs, at: headAt };
}

const distance = ({ leastMs, mostMs }: Reading): number => Math.max(0, leastMs, -mostMs);

const overlap = (one: Reading, other: Reading): boolean =>
  one.leastMs <= other.mostMs && other.leastMs <= one.mostMs;

const haveParted = (before: Instant, after: Instant): boolean =>
  Math.abs(after.wallMs - before.wallMs - (after.monotonicMs - before.monotonicMs)) > PARTED_MS;
