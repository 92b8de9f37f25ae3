import type { Clock } from '#libs/kernel';

/**
 * A statement that took longer may have waited for a lock. In that case, it is unclear when PostgreSQL read
 * its clock.
 */
const QUICK_MS = 100;

/**
 * Estimates PostgreSQL's clock from the times in its answers. The estimate may be ahead of that clock, by the
 * duration of a quick answer. If it were behind, PostgreSQL would refuse claims only because the network is
 * slow.
 */
export class PostgresClock {
  /** The most that PostgreSQL's clock (milliseconds since the epoch) may be ahead of our monotonic clock. */
  #aheadMs: number | null = null;

  /** @param readTime reads the time from PostgreSQL. */
  constructor(
    private readonly clock: Clock,
    private readonly readTime: () => Promise<Date>,
  ) {}

  /** @returns PostgreSQL's time. It replaces any estimate, because the clock may have been changed. */
  async read(): Promise<Date> {
    const askedAtMs = this.clock.monotonicMs();
    const now = await this.readTime();
    this.#aheadMs = now.getTime() - askedAtMs;
    return now;
  }

  /**
   * Call this before a statement that returns PostgreSQL's time.
   *
   * @returns a function that takes this time and improves the estimate.
   */
  ask(): (now: Date) => void {
    const askedAtMs = this.clock.monotonicMs();
    return (now) => {
      const aheadMs = now.getTime() - askedAtMs;
      const isQuick = this.clock.monotonicMs() - askedAtMs <= QUICK_MS;
      if (this.#aheadMs === null || isQuick || aheadMs < this.#aheadMs) this.#aheadMs = aheadMs;
    };
  }

  /**
   * @param atMs a time on our monotonic clock; now if it is missing.
   * @returns PostgreSQL's time then, in milliseconds since the epoch.
   */
  async estimateMs(atMs?: number): Promise<number> {
    if (this.#aheadMs === null) await this.read();
    return (atMs ?? this.clock.monotonicMs()) + this.#aheadMs!;
  }
}
