import { Log, errorOf } from '#libs/platform';
import type { Row } from '../flow/row.js';
import { stepOfState } from '../flow/table.js';
import type { Answering, AnswerToStore } from '../store/answering.js';
import type { IdempotencyKeys } from '../store/idempotency-keys.js';
import type { KeyToTake } from '../store/onboarding.store.js';
import type { KeptAnswer } from '../store/packed-answer.js';

/** The answer to a command with an idempotency key, made from the row that the end of its step leaves. */
export interface StepAnswer {
  /** @returns null if the command is answered with an error. */
  from(row: Row): KeptAnswer | null;
  /** The answer that was stored together with the end of the step. The command is answered with it. */
  stored?: KeptAnswer;
}

/**
 * Lets the write that ends a step also store the answer to the command that waits for the step. This saves a
 * commit before the answer. An answer that this write does not store is stored later, by a write of its own.
 */
export class AnswerWithSettle implements Answering {
  static readonly #logger = new Log('AnswerWithSettle');
  #isOpen = true;
  #made: { row: Row; answer: KeptAnswer } | null = null;
  #writing: Promise<void> = Promise.resolve();
  #ended: () => void = () => undefined;

  /** @param show makes the row that callers see. */
  constructor(
    private readonly answer: StepAnswer,
    private readonly key: KeyToTake,
    private readonly keys: IdempotencyKeys,
    private readonly show: (row: Row) => Row,
  ) {}

  begin(row: Row): AnswerToStore | null {
    if (!this.#isOpen || stepOfState(row.state)) return null;
    this.#isOpen = false;
    try {
      const shown = this.show(row);
      const answer = this.answer.from(shown);
      if (!answer) return null;
      const toStore = this.keys.sealed(this.key, answer);
      this.#made = { row: shown, answer };
      this.#writing = new Promise((resolve) => (this.#ended = resolve));
      return toStore;
    } catch (error) {
      // The end of the attempt must be written in any case.
      const about = { err: errorOf(error), onboardingId: row.id };
      AnswerWithSettle.#logger.error(about, 'an answer cannot be stored with the end of its step');
      return null;
    }
  }

  end(isStored: boolean): void {
    if (isStored) this.answer.stored = this.#made!.answer;
    this.#ended();
  }

  /**
   * Stops offering the answer: the command is about to be answered. Waits for a write that has begun to store
   * the answer.
   *
   * @returns the row of the stored answer; null if no answer is stored.
   */
  async close(): Promise<Row | null> {
    this.#isOpen = false;
    await this.#writing;
    return this.answer.stored ? this.#made!.row : null;
  }
}
