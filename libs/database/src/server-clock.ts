/** After an answer that took longer than this, it is unclear when PostgreSQL read its clock. */
const QUICK_MS = 500;

/**
 * An estimate of PostgreSQL's clock from the times in its answers. The estimate is ahead of the real clock
 * only if the real clock was set back since the last quick answer.
 */
export class ServerClock {
  #aheadMs: number | null = null;

  /**
   * @param shownMs the time of PostgreSQL's clock in an answer, in milliseconds since the epoch.
   * @param askedAtMs the time on our monotonic clock when the statement was sent.
   */
  note(shownMs: number, askedAtMs: number, nowMs = performance.now()): void {
    const aheadMs = shownMs - nowMs;
    const isQuick = nowMs - askedAtMs <= QUICK_MS;
    if (this.#aheadMs === null || isQuick || aheadMs > this.#aheadMs) this.#aheadMs = aheadMs;
  }

  /** @returns PostgreSQL's time in `ms` milliseconds from now; null before PostgreSQL's first answer. */
  in(ms: number, nowMs = performance.now()): number | null {
    return this.#aheadMs === null ? null : nowMs + this.#aheadMs + ms;
  }
}
