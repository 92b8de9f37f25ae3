import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Log, outsideRequests } from '#libs/platform';
import { Audit } from './audit.js';

/** Further addresses share one count. */
const ADDRESSES = 10_000;
const BURST_MS = 60_000;
const ROWS_PER_MINUTE = 60;

interface Burst {
  count: number;
  /** How many of the `count` refusals are already in the audit. */
  audited: number;
  reason: string;
  timer: NodeJS.Timeout;
}

/**
 * Audits the first refused token of an address at once, and the number of all after a minute. An attacker may
 * have many addresses, so the rows per minute are limited, and one more row counts the rest.
 */
@Injectable()
export class RefusedLogins implements OnApplicationShutdown {
  readonly #logger = new Log('RefusedLogins');
  readonly #bursts = new Map<string, Burst>();
  #rows = 0;
  #rest = 0;
  #minute: NodeJS.Timeout | undefined;

  constructor(private readonly audit: Audit) {}

  /** @param reason must not contain any part of the token */
  note(address: string, reason: string): void {
    const burst = this.#bursts.get(address);
    if (burst) {
      burst.count++;
      burst.reason = reason;
      return;
    }
    if (this.#bursts.size >= ADDRESSES) {
      this.#countOnly(1);
      return;
    }
    const timer = outsideRequests(() => setTimeout(() => this.#end(address), BURST_MS).unref());
    const audited = this.#recordWithinLimit(address, { count: 1, reason }) ? 1 : 0;
    this.#bursts.set(address, { count: 1, audited, reason, timer });
  }

  /** Writes at most one row, because a stopping process must not wait long. */
  async onApplicationShutdown(): Promise<void> {
    clearTimeout(this.#minute);
    let count = this.#rest;
    for (const burst of this.#bursts.values()) {
      clearTimeout(burst.timer);
      count += burst.count - burst.audited;
    }
    this.#bursts.clear();
    if (count > 0) await this.#record(null, { count });
  }

  #end(address: string): void {
    const burst = this.#bursts.get(address);
    this.#bursts.delete(address);
    if (!burst || burst.count === burst.audited) return;
    const { count, reason, audited } = burst;
    if (!this.#recordWithinLimit(address, { count, reason, withinMs: BURST_MS }))
      this.#countOnly(count - audited);
  }

  /** @returns false if the limit of rows per minute is reached */
  #recordWithinLimit(address: string, data: Record<string, unknown>): boolean {
    this.#beginMinute();
    if (this.#rows >= ROWS_PER_MINUTE) return false;
    this.#rows++;
    void this.#record(address, data);
    return true;
  }

  #countOnly(count: number): void {
    this.#beginMinute();
    this.#rest += count;
  }

  #beginMinute(): void {
    this.#minute ??= outsideRequests(() => setTimeout(() => this.#endMinute(), BURST_MS).unref());
  }

  #endMinute(): void {
    const count = this.#rest;
    [this.#minute, this.#rows, this.#rest] = [undefined, 0, 0];
    if (count > 0) void this.#record(null, { count, withinMs: BURST_MS });
  }

  async #record(address: string | null, data: Record<string, unknown>): Promise<void> {
    try {
      await this.audit.record({ actor: 'nobody', action: 'login_refused', target: null, address, data });
    } catch (error) {
      const from = address ?? 'several addresses';
      this.#logger.warn(
        { address },
        `could not audit a refused login from ${from}: ${(error as Error).message}`,
      );
    }
  }
}
