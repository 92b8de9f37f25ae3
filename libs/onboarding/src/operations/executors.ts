import { Injectable } from '@nestjs/common';
import type { Terms } from '../attempt/claim.js';
import type { Row } from '../flow/row.js';
import type { OperationAction } from './operation.js';

/**
 * Carries out an action on one onboarding.
 *
 * @returns the onboarding after the wait; null if it says no more about the outcome.
 * @throws ProblemError if the onboarding does not allow it.
 */
export type Execute = (id: string, reason: string, terms: Terms) => Promise<Row | null>;

/** The actions of operations that upper libs own. Each registers its own at boot. */
@Injectable()
export class Executors {
  readonly #executors = new Map<OperationAction, Execute>();

  register(action: OperationAction, execute: Execute): void {
    this.#executors.set(action, execute);
  }

  /** @throws Error if no lib has registered the action. */
  get(action: OperationAction): Execute {
    const execute = this.#executors.get(action);
    if (!execute) throw new Error(`no lib carries out "${action}"`);
    return execute;
  }
}
