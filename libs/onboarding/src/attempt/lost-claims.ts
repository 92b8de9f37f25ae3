import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { isDatabaseAway } from '#libs/database';
import { NOTHING_SENT, UpstreamError } from '#libs/upstream';
import { Log, errorOf } from '#libs/platform';
import { keepLateAnswer } from '../flow/move.js';
import type { Row } from '../flow/row.js';
import { stepOfState } from '../flow/table.js';
import { OnboardingStore, type ClaimTicket } from '../store/onboarding.store.js';
import { Settlement } from './settle.js';
import type { SubjectRef } from './step.js';

const DATABASE_PAUSE_MS = 250;

/**
 * Ends attempts whose claim got no answer from PostgreSQL: this process knows that it sent nothing.
 * Otherwise, the outcome would count as unknown after the lease, and the attempt would use up a budget.
 */
@Injectable()
export class LostClaims implements BeforeApplicationShutdown {
  readonly #logger = new Log('LostClaims');
  readonly #open = new Set<Promise<void>>();

  constructor(
    private readonly store: OnboardingStore,
    private readonly settlement: Settlement,
  ) {}

  /** Returns immediately, because the request has already failed. */
  settleLater(id: string, claim: ClaimTicket, starts: SubjectRef | null): void {
    const settling = this.#settle(id, claim, starts)
      .catch((error: unknown) =>
        this.#logger.error(
          { err: errorOf(error), onboardingId: id },
          'a claim without an answer is not settled',
        ),
      )
      .finally(() => this.#open.delete(settling));
    this.#open.add(settling);
  }

  async beforeApplicationShutdown(): Promise<void> {
    // More claims may get no answer during this wait.
    while (this.#open.size > 0) await Promise.all(this.#open);
  }

  async #settle(id: string, claim: ClaimTicket, starts: SubjectRef | null): Promise<void> {
    const row = await this.#found(id, claim, starts);
    if (!row) return;
    if (!stepOfState(row.state)) return this.#recordNotSent(row);
    this.#logger.warn(
      { onboardingId: id, integration: row.integration, step: row.step, attempt: row.attempt },
      'PostgreSQL wrote a claim but did not answer: the claim is settled as not sent',
    );
    const error = new UpstreamError('not_sent', {
      detail: 'the database did not answer in time, so nothing was sent',
      evidence: NOTHING_SENT,
    });
    await this.settlement.settle(row, { type: 'failed', error, durationMs: 0 });
  }

  /**
   * If the lease has expired, the outcome counts as unknown. The operator gets a note that nothing was sent.
   */
  async #recordNotSent(row: Row): Promise<void> {
    const { id, claimId, step, attempt } = row;
    if (row.state !== 'outcome_unknown') return;
    const evidence = { step: step!, attempt, class: 'not_sent', upstreamStatus: null };
    if (await this.store.keepAnswer(row, keepLateAnswer(row, evidence))) return;
    const fresh = await this.store.find(id);
    if (fresh?.claimId === claimId) await this.#recordNotSent(fresh);
  }

  /** A standby's error does not count as an answer. */
  async #found(id: string, claim: ClaimTicket, starts: SubjectRef | null) {
    for (;;) {
      try {
        return await this.store.findClaimed(id, claim, starts);
      } catch (error) {
        if (!isDatabaseAway(error)) throw error;
        await sleep(DATABASE_PAUSE_MS);
      }
    }
  }
}
