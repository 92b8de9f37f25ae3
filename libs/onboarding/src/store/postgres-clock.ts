import type { Clock } from '#libs/kernel';

/** A slower statement may have waited for a lock, so it is unclear when PostgreSQL read its clock. */
const QUICK_MS = 100;

/**
 * Estimates PostgreSQL's clock from the times in its answers. The estimate may be ahead by the duration of a
 * quick answer. If it were behind, PostgreSQL would refuse claims because of a slow network.
 */
export class PostgresClock {
  /** The most that PostgreSQL's clock (milliseconds since the epoch) may be ahead of our monotonic clock. */
  #aheadMs: number | null = null;

  constructor(
    private readonly clock: Clock,
    private readonly readTime: () => Promise<Date>,
  ) {}

  /** Replaces any estimate, because PostgreSQL's clock may have been changed. */
  async read(): Promise<Date> {
    const askedAtMs = this.clock.monotonicMs();
    const now = await this.readTime();
    this.#aheadMs = now.getTime() - askedAtMs;
    return now;
  }

  /**
   * Call this before a statement that returns PostgreSQL's time. @returns a function that takes this time.
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
   * @param atMs on our monotonic clock; now if it is missing.
   * @returns PostgreSQL's time then, in milliseconds since the epoch.
   */
  async estimateMs(atMs?: number): Promise<number> {
    if (this.#aheadMs === null) await this.read();
    return (atMs ?? this.clock.monotonicMs()) + this.#aheadMs!;
  }
}
