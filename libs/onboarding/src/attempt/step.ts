import { Injectable } from '@nestjs/common';
import type { Call, UpstreamError, UpstreamProvider } from '#libs/upstream';
import type { Facts } from '../flow/move.js';
import type { Row } from '../flow/row.js';
import type { StepName } from '../flow/table.js';

/**
 * A user at an integration's provider. Budgets count the codes that are sent to the user, and the wrong
 * codes.
 */
export interface SubjectRef {
  integration: string;
  subjectKey: string;
}

type EndSignal =
  | 'otp_sent'
  | 'send_gave_up'
  | 'otp_verified'
  | 'otp_rejected'
  | 'otp_expired'
  | 'authenticators_created'
  | 'authenticators_rejected'
  | 'session_expired'
  | 'outcome_lost'
  | 'step_failed';

/** How a step ended: a signal, which is an input of the transition table, and the facts that belong to it. */
export type StepEnd = { [S in EndSignal]: { signal: S; facts: Facts[S] } }[EndSignal];

/**
 * The parts that differ between the steps. The two writes of an attempt, the retry law, unknown outcomes and
 * the timeline are the same for all steps.
 */
export interface Step {
  readonly name: StepName;

  /** Makes the call. Secrets are decrypted only during the call. @throws UpstreamError */
  call(provider: UpstreamProvider, call: Call, row: Row): Promise<StepEnd>;

  /** @returns the end of the step if the provider refused the request. */
  rejected(row: Row, error: UpstreamError): StepEnd;

  /** @returns the end of the step after a fault that an operator could fix; null to park the step. */
  misconfigured?(row: Row): StepEnd | null;

  /**
   * @param last `unanswered`: whether the last attempt had no clear answer.
   * @returns the end of the step if no retry can follow, and no outcome is unknown. Either no retry is left,
   *   or a retry could not end in time.
   */
  gaveUp(row: Row, last: { unanswered: boolean }): StepEnd;

  /**
   * @param row the onboarding; undefined if the request was to start a new one.
   * @throws ProblemError that names the limit, if a limit is used up.
   */
  mustHaveRoom?(subject: SubjectRef, row?: Row): Promise<void>;
}

/**
 * The registry of the steps. Each lib registers its steps at boot, so that the runner imports none of these
 * libs.
 */
@Injectable()
export class Steps {
  readonly #steps = new Map<StepName, Step>();

  /** @throws Error if two libs register the same step. */
  register(step: Step): void {
    if (this.#steps.has(step.name)) throw new Error(`step "${step.name}" is registered twice`);
    this.#steps.set(step.name, step);
  }

  /** @throws Error if no lib has registered the step. */
  get(name: StepName): Step {
    const step = this.#steps.get(name);
    if (!step) throw new Error(`no lib has registered step "${name}"`);
    return step;
  }
}
