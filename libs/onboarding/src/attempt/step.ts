import { Injectable } from '@nestjs/common';
import type { Call, UpstreamError, UpstreamProvider } from '#libs/upstream';
import type { Facts } from '../flow/move.js';
import type { Row } from '../flow/row.js';
import type { StepName } from '../flow/table.js';

/** Whom limits are counted for. */
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

/** What a step's end amounts to: a signal, and what the table must know with it. */
export type StepEnd = { [S in EndSignal]: { signal: S; facts: Facts[S] } }[EndSignal];

/**
 * One upstream call, as the lib that owns it sees it. Claims, the retry law, doubt, settles and the timeline are the same
 * for all.
 */
export interface Step {
  readonly name: StepName;

  /** Makes the call, with secrets opened for as long as it takes. @throws UpstreamError */
  call(provider: UpstreamProvider, call: Call, row: Row): Promise<StepEnd>;

  /** Upstream said no. */
  rejected(row: Row, error: UpstreamError): StepEnd;

  /** How the step ends after a fault of ours, although an operator could fix it; null if it is parked. */
  misconfigured?(row: Row): StepEnd | null;

  /**
   * No retry is left, or none could end in time, and nothing is in doubt. `unanswered`: it is not known whether the last
   * attempt had an effect.
   */
  gaveUp(row: Row, last: { unanswered: boolean }): StepEnd;

  /**
   * @param row the onboarding; none where a start was refused.
   * @throws ProblemError where a limit is used up; returns where it is not.
   */
  mustHaveRoom?(subject: SubjectRef, row?: Row): Promise<void>;
}

/** The steps, registered at boot by the libs that own them, so that the runner imports none of them. */
@Injectable()
export class Steps {
  readonly #steps = new Map<StepName, Step>();

  /** @throws Error when two libs claim one step. */
  register(step: Step): void {
    if (this.#steps.has(step.name)) throw new Error(`step "${step.name}" is registered twice`);
    this.#steps.set(step.name, step);
  }

  /** @throws Error when no lib has registered it. */
  get(name: StepName): Step {
    const step = this.#steps.get(name);
    if (!step) throw new Error(`no lib has registered step "${name}"`);
    return step;
  }
}
