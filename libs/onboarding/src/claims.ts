import { Inject, Injectable } from '@nestjs/common';
import { CLOCK, ProblemError, type Caller, type Clock } from '#libs/kernel';
import { CONFIG, type Config } from '#libs/platform';
import { Expiry, asOfNow } from './expiry.js';
import {
  STATE_OF_STEP,
  isEnded,
  nextState,
  stepOfState,
  type Signal,
  type State,
  type StepName,
} from './machine.js';
import { hasTimeFor, nextActionOf } from './next-action.js';
import type { NewEvent } from './onboarding-event.entity.js';
import {
  BOUND_OF,
  OnboardingStore,
  where,
  type Clause,
  type Condition,
  type Row,
} from './onboarding.store.js';
import { canLeaveDoubt, repeatsEffect } from './retry-law.js';
import { wipedIn } from './secrets.js';
import { mustTouch, touchedBy, type GivenBy } from './ownership.js';
import { fromNow, sql, type Patch } from './statement.js';
import { Steps } from './step.js';

/** An attempt that is committed and whose bytes may leave, for as long as it is fresh. */
export interface Claimed {
  row: Row;
  /** When the claim began, on the monotonic clock. */
  claimedAtMs: number;
}

/** What every command takes besides its own matter. */
export interface Terms {
  caller: Caller;
  /** How long the caller waits for the step's end, in milliseconds. */
  waitMs: number;
  /** From `If-Match`: the row must have one of these versions. */
  versions?: readonly number[] | undefined;
  /** To be written with the command, or the command is not. */
  along?: Clause | undefined;
}

/** A command that begins a step, as far as the row alone can tell whether it is allowed. */
export interface Asked {
  signal: Signal;
  step: StepName;
  /** The states that the signal may come in. */
  from: readonly State[];
  terms: Pick<Terms, 'caller' | 'versions'>;
  /** Its owner, where nothing else is said. */
  by?: GivenBy;
}

export interface Submission extends Asked {
  id: string;
  terms: Terms;
  /** More that must hold of the row. */
  where?: Condition[];
  clauses?: Clause[];
  patch?: Patch;
  data?: Record<string, unknown>;
  /** Events that come before the signal's own. */
  before?: NewEvent[];
  /** Keyed hash of what is submitted. */
  fingerprint: string;
  /** Says why it was refused although the machine allows it. Throws, or returns for a lost race. */
  explain?(row: Row): void | Promise<void>;
}

/** The first of an attempt's two writes: everything about it is committed before a byte leaves. */
@Injectable()
export class Claims {
  constructor(
    private readonly store: OnboardingStore,
    private readonly steps: Steps,
    private readonly expiry: Expiry,
    @Inject(CONFIG) private readonly config: Config,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** What every first attempt writes; the caller's own columns come on top. */
  firstAttempt(name: StepName, fingerprint: string): { patch: Patch; events: NewEvent[]; clauses: Clause[] } {
    const state = STATE_OF_STEP[name];
    const step = this.steps.get(name);
    return {
      patch: {
        state,
        ...wipedIn(state),
        sealedRequests: null,
        reason: null,
        step: name,
        fingerprint,
        leaseUntil: fromNow(this.config.LEASE_MS),
        nextAttemptAt: null,
        parkings: 0,
        unavailableCount: 0,
        noAnswerCount: 0,
        doubtAttempt: null,
        lastResult: null,
        idleEndsAt: fromNow(this.config.ONBOARDING_IDLE_MS),
        ...step.firstPatch?.(),
      },
      events: [{ type: 'attempt_started', actor: 'service' }],
      clauses: step.claimClauses?.({ first: true }) ?? [],
    };
  }

  /** @throws ProblemError that says why the onboarding cannot do that now. */
  async submit(submission: Submission): Promise<Claimed> {
    const first = this.firstAttempt(submission.step, submission.fingerprint);
    const change = {
      id: submission.id,
      where: [
        touchedBy(submission.terms.caller, submission.by ?? 'owner'),
        where.stateIn(...submission.from),
        where.notDue(),
        where.leavesTimeFor(submission.step, this.config.CALL_TIMEOUT_MS),
        ...(submission.terms.versions ? [where.version(...submission.terms.versions)] : []),
        ...(submission.where ?? []),
      ],
      patch: {
        attempt: sql('o.attempt + 1'),
        submission: sql('o.attempt + 1'),
        ...(canLeaveDoubt(submission.step) && { unresolved: sql(openAttempt(submission.step)) }),
        ...first.patch,
        ...submission.patch,
      },
      events: [
        ...(submission.before ?? []),
        { type: submission.signal, actor: 'caller', ...(submission.data && { data: submission.data }) },
        ...first.events,
      ] satisfies NewEvent[],
      clauses: [
        ...(submission.terms.along ? [submission.terms.along] : []),
        ...first.clauses,
        ...(submission.clauses ?? []),
      ],
    };
    // A second try is for a row that had to be expired first, or that changed between write and explanation.
    for (let tries = 0; tries < 3; tries++) {
      const claimedAtMs = this.clock.monotonicMs();
      const row = await this.store.change(change);
      if (row) return { row, claimedAtMs };
      await this.#explain(submission);
    }
    throw new ProblemError('illegal_state', {
      detail: 'The onboarding is changing; try again.',
      retryable: true,
    });
  }

  /** Claims the next attempt of a step that waits for it. @returns null when it is not due, or not ours any more. */
  async retry(row: Row): Promise<Claimed | null> {
    const step = row.step;
    if (!step) return null;
    const claimedAtMs = this.clock.monotonicMs();
    const claimed = await this.store.change({
      id: row.id,
      where: [
        where.stateIn(STATE_OF_STEP[step]),
        where.attempt(row.attempt),
        where.noLease(),
        where.tryIsDue(),
        // No call starts that cannot end before the code, the session or the onboarding does.
        where.endsNoSoonerThan(this.config.CALL_TIMEOUT_MS),
        () => 'o.parked_reason IS NULL',
      ],
      patch: {
        attempt: sql('o.attempt + 1'),
        leaseUntil: fromNow(this.config.LEASE_MS),
        nextAttemptAt: null,
        wokenAt: null,
        ...(canLeaveDoubt(step) && { unresolved: sql(openAttempt(step)) }),
      },
      events: [{ type: 'attempt_started', actor: 'service' }],
      clauses:
        this.steps.get(step).claimClauses?.({ first: false, repeatsEffect: repeatsEffect(row, step) }) ?? [],
    });
    return claimed && { row: claimed, claimedAtMs };
  }

  /** @throws ProblemError for a command that the row, as it is read, does not allow. */
  mustAllow(seen: Row, { signal, from, step, terms, by = 'owner' }: Asked): void {
    const row = asOfNow(mustTouch(seen, seen.id, terms.caller, by));
    if (isEnded(row.state)) throw ended(row);
    if (terms.versions?.includes(row.version) === false) throw versionMismatch(row);
    if (!from.includes(row.state)) throw illegal(row, signal);
    const bound = BOUND_OF[step];
    if (!hasTimeFor(row, bound && row[bound])) throw tooLate(row, step);
  }

  async #explain(submission: Submission): Promise<void> {
    const { id, terms, by = 'owner' } = submission;
    const row = mustTouch(await this.store.find(id), id, terms.caller, by);
    if (row.deadlineAt && row.deadlineAt <= row.now && !(row.leaseUntil && row.leaseUntil > row.now)) {
      await this.expiry.runFor(id);
      return;
    }
    this.mustAllow(row, submission);
    await submission.explain?.(row);
    await this.steps.get(submission.step).explainRefusal?.(row, row);
  }
}

/** Adds the attempt that begins to those that may take effect: its settle takes it away again, a crash cannot. */
const openAttempt = (step: StepName) =>
  `o.unresolved || jsonb_build_array(jsonb_build_object('step', '${step}', 'attempt', o.attempt + 1,
    'at', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')))`;

export const ended = (row: Row) =>
  new ProblemError('onboarding_ended', {
    detail: `The onboarding is ${row.state}.`,
    extensions: { state: row.state, nextAction: nextActionOf(row) },
  });

export const versionMismatch = (row: Row) =>
  new ProblemError('version_mismatch', {
    detail: `If-Match names another version than ${row.version}; read the onboarding again.`,
    extensions: { version: row.version },
  });

/** No call starts that could not end in time; what it would hang on is as good as over. */
function tooLate(row: Row, step: StepName): ProblemError {
  const extensions = { state: row.state, nextAction: nextActionOf(row) };
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
  const extensions = { state: row.state, nextAction: nextActionOf(row) };
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
  if (row.state === 'otp_needed' && row.reason && row.reason !== 'send_failed') {
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
