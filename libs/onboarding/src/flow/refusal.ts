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

/**
 * Why a command that begins a step is refused.
 *
 * @param row as it stands now.
 * @returns null where the row, as far as state and time go, allows it.
 */
export function refusalOf(row: Row, signal: Signal, step: StepName): ProblemError | null {
  if (isEnded(row.state)) return onboardingEnded(row);
  if (!(statesFor(signal) as string[]).includes(row.state)) return illegal(row, signal);
  const bound = boundOf(stateOfStep(step));
  return hasTimeFor(row, bound && row[bound]) ? null : tooLate(row, step);
}

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

/** Another writer was faster each time. */
export const changing = () =>
  new ProblemError('illegal_state', { detail: 'The onboarding is changing; try again.', retryable: true });

/** What a problem tells of its onboarding. */
export const stateAndNextAction = (row: Row) => ({ state: row.state, nextAction: nextActionOf(row) });

/** No call starts that could not end in time; what it would hang on is as good as over. */
function tooLate(row: Row, step: StepName): ProblemError {
  const extensions = stateAndNextAction(row);
  if (step === 'init-otp' || !hasTimeFor(row, null)) {
    return new ProblemError('onboarding_ended', {
      detail: `The onboarding ends at ${row.lifeEndsAt.toISOString()}: no call would end before. Start another with "supersede": true.`,
      extensions,
    });
  }
  return step === 'verify-otp'
    ? new ProblemError('otp_expired', {
        detail: 'The code ends before a call could. Ask for a new one.',
        extensions,
      })
    : new ProblemError('session_expired', {
        detail: 'The session ends before a call could. Ask for a new code.',
        extensions,
      });
}

/** Why a signal has no place in the row's state, as exactly as the state tells. */
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
    return new ProblemError('illegal_state', { detail: 'The code comes first: verify it.', extensions });
  }
  return new ProblemError('illegal_state', {
    detail: `"${signal}" is not possible in state "${row.state}".`,
    extensions,
  });
}
