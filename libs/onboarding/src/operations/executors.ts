import { Injectable } from '@nestjs/common';
import type { Terms } from '../attempt/claim.js';
import type { Row } from '../flow/row.js';
import type { OperationAction } from './operation.js';

/**
 * Carries out an action on one onboarding, and waits for its calls to the provider.
 *
 * @returns null if the item's result does not depend on the onboarding.
 * @throws ProblemError if the onboarding does not allow the action.
 */
export type Execute = (id: string, reason: string, terms: Terms) => Promise<Row | null>;

/** The actions that other libs carry out. They register at boot, because this lib must not depend on them. */
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
