import type { Clock } from '#libs/kernel';
import type { HttpAnswer, Instant } from './http-client.js';
import { httpDate } from './http-date.js';

/** How long a reading is valid. While a reading stops the steps, the clock watch renews it. */
const TRUSTED_MS = 60_000;
/** If our two clocks move apart by more, the wall clock was set or the machine slept. */
const PARTED_MS = 1_000;

/** The provider's clock is between `leastMs` and `mostMs` ahead of ours. Negative values mean behind. */
interface Reading {
  dateMs: number;
  leastMs: number;
  mostMs: number;
  at: Instant;
}

/** Milliseconds. A reading above `warnMs` needs a second reading. Above `stopMs`, nothing is sent. */
export interface SkewLimits {
  warnMs: number;
  stopMs: number;
}

/**
 * The difference between an upstream's clock and ours, by the `Date` of its answers (RFC 9110 §6.6.1, whole
 * seconds). Beyond the minute for which upstream may accept a signature, all calls fail.
 *
 * A cache, a proxy or one server of many may write a wrong `Date`: a difference counts only after two
 * answers with different seconds agree on it, and one that disagrees cancels it.
 */
export class ClockSkew {
  #last: Reading | null = null;
  /** The difference that `#last` and an earlier answer agree on. */
  #agreedMs = 0;

  constructor(
    private readonly clock: Clock,
    private readonly limits: SkewLimits = { warnMs: Infinity, stopMs: Infinity },
  ) {}

  /** Adds the reading of a new answer. */
  saw(answer: Pick<HttpAnswer, 'headers' | 'sentAt' | 'headAt'>): void {
    const reading = readingOf(answer);
    if (!reading) return;
    const before = this.#current();
    // An answer with the same second confirms nothing: a cached page always has the same `Date`.
    if (before?.dateMs === reading.dateMs) return;
    const agrees = before !== null && overlap(before, reading);
    this.#agreedMs = agrees ? Math.min(distance(before), distance(reading)) : 0;
    this.#last = reading;
  }

  /** @returns the difference in milliseconds, never negative. 0 while no difference is confirmed. */
  ms(): number {
    return this.#current() ? this.#agreedMs : 0;
  }

  /** @returns the difference that the last answer alone shows. It may be unconfirmed. */
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

  /** Whether the service needs another answer, to confirm a difference or to see that it has ended. */
  get wantsAnswer(): boolean {
    const { warnMs } = this.limits;
    return this.stops || this.mayStop || (this.lastMs() >= warnMs && this.ms() < warnMs);
  }

  /** The last reading, if it is still valid. */
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
  // An answer with `Age` comes from a cache and has an old `Date` (RFC 9111 §5.1).
  if (dateMs === null || headers['age'] !== undefined || haveParted(sentAt, headAt)) return null;
  // The header's second began up to a second before it was written, during the call.
  const mostMs = dateMs + 1_000 - sentAt.wallMs;
  return { dateMs, leastMs: dateMs - headAt.wallMs, mostMs, at: headAt };
}

/** The smallest difference that fits a reading. */
const distance = ({ leastMs, mostMs }: Reading): number => Math.max(0, leastMs, -mostMs);

const overlap = (one: Reading, other: Reading): boolean =>
  one.leastMs <= other.mostMs && other.leastMs <= one.mostMs;

const haveParted = (before: Instant, after: Instant): boolean =>
  Math.abs(after.wallMs - before.wallMs - (after.monotonicMs - before.monotonicMs)) > PARTED_MS;
