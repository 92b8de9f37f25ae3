/** After a slower answer, it is unclear when PostgreSQL read its clock. */
const QUICK_MS = 500;

/**
 * An estimate of PostgreSQL's clock. It is ahead only if that clock was set back since the last quick answer.
 */
export class ServerClock {
  #aheadMs: number | null = null;

  /**
   * @param shownMs PostgreSQL's time, since the epoch.
   * @param askedAtMs when the statement was sent, on the monotonic clock.
   */
  note(shownMs: number, askedAtMs: number, nowMs = performance.now()): void {
    const aheadMs = shownMs - nowMs;
    const isQuick = nowMs - askedAtMs <= QUICK_MS;
    if (this.#aheadMs === null || isQuick || aheadMs > this.#aheadMs) this.#aheadMs = aheadMs;
  }

  /** @returns PostgreSQL's time in `ms` milliseconds from now; null before the first answer. */
  in(ms: number, nowMs = performance.now()): number | null {
    return this.#aheadMs === null ? null : nowMs + this.#aheadMs + ms;
  }
}
