import { Inject, Injectable } from '@nestjs/common';
import { Audit } from '#libs/callers';
import { CLOCK, type Clock } from '#libs/kernel';
import { Log } from '#libs/platform';

/** Contains no password, token or request body. */
export interface AuditEntry {
  action: string;
  operator: string | null;
  /** For example a queue or a job. */
  target: string | null;
  outcome: 'done' | 'refused' | 'failed';
  address: string;
  /** The request's id, as in `X-Request-Id`. */
  traceId: string;
  data?: Record<string, unknown>;
}

const REFUSALS_PER_MINUTE = 60;

/** Writes to the log and to the table `audit_events`. */
@Injectable()
export class OperatorAudit {
  readonly #logger = new Log('OperatorAudit');
  #minute = 0;
  #refusals = 0;

  constructor(
    private readonly audit: Audit,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /**
   * Entries without an operator's name are limited per minute, because anyone can cause them. A log line
   * counts the entries over the limit.
   */
  record(entry: AuditEntry): void {
    const minute = Math.floor(this.clock.monotonicMs() / 60_000);
    if (minute !== this.#minute) {
      const unwritten = this.#refusals - REFUSALS_PER_MINUTE;
      if (unwritten > 0) {
        const text = `audit: ${unwritten} refusals were not written`;
        this.#logger.warn({ audit: { action: 'refusals not written', count: unwritten } }, text);
      }
      this.#minute = minute;
      this.#refusals = 0;
    }
    if (entry.operator === null) this.#refusals += 1;
    if (this.#refusals > REFUSALS_PER_MINUTE && entry.operator === null) return;
    const text = `audit: ${entry.action} by ${entry.operator ?? 'nobody'}: ${entry.outcome}`;
    if (entry.outcome === 'done') this.#logger.info({ audit: entry }, text);
    else this.#logger.warn({ audit: entry }, text);
    void this.#keep(entry);
  }

  /** A failure is only logged: the console must work without PostgreSQL, and the log has the entry. */
  async #keep({ action, operator, target, outcome, address, traceId, data }: AuditEntry): Promise<void> {
    const actor = operator === null ? 'nobody' : `operator:${operator}`;
    const event = {
      actor,
      action: `console: ${action}`,
      target,
      address,
      data: { ...data, outcome, traceId },
    };
    try {
      await this.audit.write(event);
    } catch (error) {
      this.#logger.warn({ traceId }, `an entry of the audit was not stored: ${(error as Error).message}`);
    }
  }
}
