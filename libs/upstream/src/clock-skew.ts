/** How long a reading counts: one call a minute is little harm, and tells whether the clocks agree again. */
const TRUSTED_MS = 60_000;

/**
 * How far an upstream's clock is from ours, read off the `Date` header of its answers (RFC 9110 §6.6.1, whole
 * seconds). Signatures are good for a minute: a clock that is far off would have every call refused.
 */
export class ClockSkew {
  #skewMs = 0;
  #seenAtMs = -Infinity;

  /** @param header `Date` of an answer that arrived now. */
  saw(header: string | string[] | undefined, nowMs: number): void {
    const at = typeof header === 'string' ? Date.parse(header) : Number.NaN;
    if (Number.isNaN(at)) return;
    // The header's second began up to a second before it was written.
    const ahead = at - nowMs;
    this.#skewMs = ahead > 0 ? ahead : Math.min(0, ahead + 1_000);
    this.#seenAtMs = nowMs;
  }

  /**
   * Milliseconds, never negative; 0 while nothing is known. A reading goes stale: who stops sending for it would
   * otherwise never learn that it is over.
   */
  ms(nowMs: number): number {
    return nowMs - this.#seenAtMs < TRUSTED_MS ? Math.abs(this.#skewMs) : 0;
  }
}
