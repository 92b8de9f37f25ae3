import { Injectable } from '@nestjs/common';
import type { Call, UpstreamError, UpstreamProvider } from '#libs/upstream';
import type { Facts } from '../flow/move.js';
import type { Row } from '../flow/row.js';
import type { StepName } from '../flow/table.js';

/** A user at an integration's provider. Budgets count the user's codes and wrong codes. */
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

/** A signal, which is an input of the transition table, and the facts that belong to it. */
export type StepEnd = { [S in EndSignal]: { signal: S; facts: Facts[S] } }[EndSignal];

/** The parts that differ between the steps. */
export interface Step {
  readonly name: StepName;

  /** Decrypts secrets only for the call. @throws UpstreamError */
  call(provider: UpstreamProvider, call: Call, row: Row): Promise<StepEnd>;

  /** @returns the end of the step if the provider refused the request. */
  rejected(row: Row, error: UpstreamError): StepEnd;

  /** @returns the end of the step after a fault that an operator could fix; null to park the step. */
  misconfigured?(row: Row): StepEnd | null;

  /**
   * @param last `unanswered`: whether the last attempt had no clear answer.
   * @returns the end of the step if no retry can follow, and no outcome is unknown.
   */
  gaveUp(row: Row, last: { unanswered: boolean }): StepEnd;

  /**
   * @param row undefined if the request is to start an onboarding.
   * @throws ProblemError that names the limit, if a limit is used up.
   */
  mustHaveRoom?(subject: SubjectRef, row?: Row): Promise<void>;
}

/** Each lib registers its steps at boot, so that the runner imports none of these libs. */
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
