import { Inject, Injectable, Logger } from '@nestjs/common';
import { Audit } from '#libs/callers';
import { CLOCK, type Clock } from '#libs/kernel';

/** What was done on the console, by whom. No secret is in it: no password, no token, no body. */
export interface AuditEntry {
  action: string;
  /** An account's name; null where nobody is known. */
  operator: string | null;
  /** What it was done to, e.g. a queue or a job; null where there is nothing. */
  target: string | null;
  outcome: 'done' | 'refused' | 'failed';
  address: string;
  /** Id of the request, as in `X-Request-Id`. */
  traceId: string;
}

const REFUSALS_PER_MINUTE = 60;

/** Writes down what operators do: a line in the log, and a row in `audit_events`. */
@Injectable()
export class OperatorAudit {
  readonly #logger = new Logger('OperatorAudit');
  #minute = 0;
  #refusals = 0;

  constructor(
    private readonly audit: Audit,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /**
   * Refusals cost a stranger nothing: only so many a minute are written, and the next one says how many were not.
   * Whatever has a name is written: the throttle bounds failed logins per name, and the rest needs a session.
   */
  record(entry: AuditEntry): void {
    const minute = Math.floor(this.clock.monotonicMs() / 60_000);
    if (minute !== this.#minute) {
      const unwritten = this.#refusals - REFUSALS_PER_MINUTE;
      if (unwritten > 0) this.#logger.warn({ audit: { action: 'refusals not written', count: unwritten } });
      this.#minute = minute;
      this.#refusals = 0;
    }
    if (entry.operator === null) this.#refusals += 1;
    if (this.#refusals > REFUSALS_PER_MINUTE && entry.operator === null) return;
    if (entry.outcome === 'done') this.#logger.log({ audit: entry });
    else this.#logger.warn({ audit: entry });
    void this.#keep(entry);
  }

  /** A console that stands still with PostgreSQL would be of no help: the line is in the log already. */
  async #keep({ action, operator, target, outcome, address, traceId }: AuditEntry): Promise<void> {
    const actor = operator === null ? 'nobody' : `operator:${operator}`;
    const event = { actor, action: `console: ${action}`, target, address, data: { outcome, traceId } };
    try {
      await this.audit.write(event);
    } catch (error) {
      this.#logger.warn(`an entry of the audit was not kept: ${(error as Error).message}`);
    }
  }
}
