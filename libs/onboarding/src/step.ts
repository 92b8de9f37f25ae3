import { Injectable } from '@nestjs/common';
import type { Call, UpstreamError, UpstreamProvider } from '#libs/upstream';
import type { Signal, StepName } from './machine.js';
import type { Failure, LastResult } from './onboarding.entity.js';
import type { Clause, Row } from './onboarding.store.js';
import type { Patch } from './statement.js';

/** Whom limits are counted for. */
export interface SubjectRef {
  integration: string;
  subjectKey: string;
}

/** What a step's end does to its row, besides what every end does. */
export interface StepEnd {
  signal: Signal;
  /** With `send_gave_up`: the code that was sent before is still good. */
  codeLives?: boolean;
  patch?: Patch;
  clauses?: Clause[];
  /** Told to the caller where the step did not move the onboarding on. */
  result?: Pick<LastResult, 'code' | 'detail' | 'errors'>;
  failure?: Pick<Failure, 'code' | 'detail' | 'errors'>;
  /** For the timeline: ids and counts, no secret. */
  data?: Record<string, unknown>;
}

/**
 * One upstream call, as the lib that owns it sees it. The runner does the rest: claiming, the retry law,
 * doubt, settling, the timeline.
 */
export interface Step {
  readonly name: StepName;

  /** What a first attempt writes besides what every first attempt does. */
  firstPatch?(): Patch;

  /** What a claim must charge; a claim that cannot is refused, and `explainRefusal` says why. */
  claimClauses?(claim: { first: boolean; repeatsEffect?: boolean }): Clause[];

  /**
   * @param row the onboarding; none where a start was refused.
   * @throws ProblemError where a limit is used up; returns where it is not.
   */
  explainRefusal?(subject: SubjectRef, row?: Row): Promise<void>;

  /** Makes the call, with secrets opened for as long as it takes. @throws UpstreamError */
  call(provider: UpstreamProvider, call: Call, row: Row): Promise<StepEnd>;

  /** Upstream said no. */
  rejected(row: Row, error: UpstreamError): StepEnd;

  /** How the step ends after a fault of ours, although an operator could fix it; null if it is parked. */
  misconfigured?(row: Row): StepEnd | null;

  /**
   * No retry is left, or none could end in time, and nothing is in doubt. `refunded`: the last attempt certainly had
   * no effect, and what its claim charged is given back. `unanswered`: whether it had one is not known.
   */
  gaveUp(row: Row, last: { refunded: boolean; unanswered: boolean }): StepEnd;

  /** An attempt certainly had no effect: gives back what its claim charged. */
  withoutEffect?(row: Row): { patch?: Patch; clauses?: Clause[] };

  /** An attempt may have had an effect, and this is counted, whatever becomes of it. */
  counted?(row: Row): Patch;

  /** Somebody found out that the lost attempt did take effect. */
  resolvedDone?(row: Row, authenticatorIds: string[] | null): { patch?: Patch; clauses?: Clause[] };
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
