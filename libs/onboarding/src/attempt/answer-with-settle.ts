import { Log, errorOf } from '#libs/platform';
import type { Row } from '../flow/row.js';
import { stepOfState } from '../flow/table.js';
import type { Answering, AnswerToStore } from '../store/answering.js';
import type { IdempotencyKeys } from '../store/idempotency-keys.js';
import type { KeyToTake } from '../store/onboarding.store.js';
import type { KeptAnswer } from '../store/packed-answer.js';

/** Makes the answer to a command with an idempotency key. */
export interface AnswerMaker {
  /** @returns null if the command is answered with an error. */
  from(row: Row): KeptAnswer | null;
  /** The answer that was stored together with the end of the step. */
  stored?: KeptAnswer;
}

/**
 * Lets the write that ends a step also store the answer to its command, which saves a commit and a round
 * trip. If it stores none, a later statement does. The first stored answer is sent.
 */
export class AnswerWithSettle implements Answering {
  static readonly #logger = new Log('AnswerWithSettle');
  #isOpen = true;
  #made: { row: Row; answer: KeptAnswer } | null = null;

  /** @param show makes the row that callers see. */
  constructor(
    private readonly maker: AnswerMaker,
    private readonly key: KeyToTake,
    private readonly keys: IdempotencyKeys,
    private readonly show: (row: Row) => Row,
  ) {}

  /** The row in the stored answer; null if none was stored. */
  get row(): Row | null {
    return this.maker.stored ? this.#made!.row : null;
  }

  /** Offers the answer only once: at the next try, the row may have changed. */
  begin(row: Row): AnswerToStore | null {
    if (!this.#isOpen || stepOfState(row.state)) return null;
    this.#isOpen = false;
    try {
      const shown = this.show(row);
      const answer = this.maker.from(shown);
      if (!answer) return null;
      this.#made = { row: shown, answer };
      return this.keys.sealed(this.key, answer);
    } catch (error) {
      // The end of the attempt must be written in any case.
      const about = { err: errorOf(error), onboardingId: row.id };
      AnswerWithSettle.#logger.error(about, 'an answer cannot be stored with the end of its step');
      return null;
    }
  }

  stored(): void {
    this.maker.stored = this.#made!.answer;
  }
}
