import { ProblemError } from '#libs/kernel';
import { hasTimeFor, nextActionOf } from './next-action.js';
import type { Row } from './row.js';
import {
  boundOf,
  isEnded,
  nextState,
  stateOfStep,
  statesFor,
  stepOfState,
  type Signal,
  type StepName,
} from './table.js';

/** @param row the row that `asOfNow` returns. */
export function refusalOf(row: Row, signal: Signal, step: StepName): ProblemError | null {
  if (isEnded(row.state)) return onboardingEnded(row);
  if (!(statesFor(signal) as string[]).includes(row.state)) return illegal(row, signal);
  const bound = boundOf(stateOfStep(step));
  return hasTimeFor(row, bound && row[bound]) ? null : tooLate(row, step);
}

/** A decision sends a new code after a lost verification, because the old code cannot be used again. */
export const sendsNewCode = ({ state, step }: Row, outcome: 'done' | 'not_done') =>
  state === 'outcome_unknown' && step === 'verify-otp' && outcome === 'not_done';

/** @param row the row that `asOfNow` returns. */
export function refusalOfDecision(row: Row, outcome: 'done' | 'not_done'): ProblemError | null {
  if (isEnded(row.state)) return row.unresolved.length > 0 ? null : onboardingEnded(row);
  const extensions = stateAndNextAction(row);
  if (row.state !== 'outcome_unknown') {
    return new ProblemError('illegal_state', {
      detail: 'This onboarding has no step with an unknown outcome, so there is nothing to resolve.',
      extensions,
    });
  }
  const signal = outcome === 'done' ? 'resolved_done' : 'resolved_not_done';
  if (!nextState({ state: row.state, step: row.step }, signal)) {
    return new ProblemError('outcome_unknown', {
      detail:
        `"${outcome}" is not possible after ${row.step}: there is no session to continue with. ` +
        'Resolve "not_done", or ask for a new code.',
      extensions,
    });
  }
  return sendsNewCode(row, outcome) ? refusalOf(row, signal, 'init-otp') : null;
}

/** @param row the row that `asOfNow` returns. */
export function refusalOfRetry(row: Row): ProblemError | null {
  if (isEnded(row.state)) return onboardingEnded(row);
  const step = stepOfState(row.state);
  if (step && row.leaseUntil === null) return null;
  const detail = step ? 'The step is in flight.' : 'No step of this onboarding waits for its next try.';
  return new ProblemError('illegal_state', { detail, extensions: stateAndNextAction(row) });
}

/** @param row the row that `asOfNow` returns. */
export const refusalOfCancel = (row: Row) => (isEnded(row.state) ? onboardingEnded(row) : null);

export const onboardingEnded = (row: Row) =>
  new ProblemError('onboarding_ended', {
    detail: `The onboarding is ${row.state}.`,
    extensions: stateAndNextAction(row),
  });

export const versionMismatch = (row: Row) =>
  new ProblemError('version_mismatch', {
    detail: `If-Match names another version than ${row.version}; read the onboarding again.`,
    extensions: { version: row.version },
  });

export const notFound = (id: string) =>
  new ProblemError('not_found', { detail: `There is no onboarding ${id}.` });

/** The refusal of a command whose row other writers have changed at each try. */
export const changing = () =>
  new ProblemError('illegal_state', {
    detail: 'Other commands are changing this onboarding. Try again.',
    retryable: true,
  });

export const stateAndNextAction = (row: Row) => ({ state: row.state, nextAction: nextActionOf(row) });

function tooLate(row: Row, step: StepName): ProblemError {
  const extensions = stateAndNextAction(row);
  if (step === 'init-otp' || !hasTimeFor(row, null)) {
    return new ProblemError('onboarding_ended', {
      detail:
        `The onboarding ends at ${row.lifeEndsAt.toISOString()}, too soon for another call. ` +
        'Start a new onboarding with "supersede": true.',
      extensions,
    });
  }
  return step === 'verify-otp'
    ? new ProblemError('otp_expired', {
        detail: 'The code expires before a call could end. Ask for a new code.',
        extensions,
      })
    : new ProblemError('session_expired', {
        detail: 'The session expires before a call could end. Ask for a new code.',
        extensions,
      });
}

/** @returns the most specific reason why the row's state does not allow a signal. */
export function illegal(row: Row, signal: Signal): ProblemError {
  const extensions = stateAndNextAction(row);
  if (stepOfState(row.state)) {
    return new ProblemError('step_in_progress', {
      detail: `Step ${row.step} is in flight or waits for its next try.`,
      retryable: true,
      extensions,
    });
  }
  if (row.state === 'outcome_unknown') {
    return new ProblemError('outcome_unknown', {
      detail: `Step ${row.step} may have taken effect: resolve it, or ask for a new code.`,
      extensions,
    });
  }
  if (row.state === 'otp_needed' && row.reason !== 'send_failed') {
    return new ProblemError(row.reason, { detail: 'Ask for a new code.', extensions });
  }
  if (signal === 'authenticators_submitted' && nextState({ state: row.state }, 'otp_submitted')) {
    return new ProblemError('illegal_state', { detail: 'Verify the code first.', extensions });
  }
  return new ProblemError('illegal_state', {
    detail: `"${signal}" is not possible in state "${row.state}".`,
    extensions,
  });
}
