/** An answer that took longer than this hardly tells when PostgreSQL read its clock. */
const QUICK_MS = 500;

/**
 * PostgreSQL's clock, as its answers tell it. It is never thought to be ahead of what it is, unless PostgreSQL's clock was set
 * back since the last quick answer.
 */
export class ServerClock {
  #aheadMs: number | null = null;

  /**
   * @param shownMs what PostgreSQL's clock showed while it answered, in milliseconds of the epoch.
   * @param askedAtMs when it was asked, on our monotonic clock.
   */
  note(shownMs: number, askedAtMs: number, nowMs = performance.now()): void {
    const aheadMs = shownMs - nowMs;
    const isQuick = nowMs - askedAtMs <= QUICK_MS;
    if (this.#aheadMs === null || isQuick || aheadMs > this.#aheadMs) this.#aheadMs = aheadMs;
  }

  /** The instant so many milliseconds from now, on PostgreSQL's clock; null before its first answer. */
  in(ms: number, nowMs = performance.now()): number | null {
    return this.#aheadMs === null ? null : nowMs + this.#aheadMs + ms;
  }
}
