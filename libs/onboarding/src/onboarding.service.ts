import { Inject, Injectable } from '@nestjs/common';
import { JobProducer } from '#libs/jobs';
import { ProblemError, type Caller } from '#libs/kernel';
import { CONFIG, type Config } from '#libs/platform';
import { Claims, ended, versionMismatch, type Terms } from './claims.js';
import { BLANK, erasureOfEnded } from './erasure.js';
import { Expiry, asOfNow, asWritten } from './expiry.js';
import { Fingerprint } from './fingerprint.js';
import {
  LIVE_STATES,
  isEnded,
  nextState,
  type Signal,
  type State,
  stepOfState,
  type StepName,
} from './machine.js';
import { nextActionOf } from './next-action.js';
import type { NewEvent, OnboardingEvent } from './onboarding-event.entity.js';
import type { UnresolvedAttempt } from './onboarding.entity.js';
import {
  OnboardingStore,
  insertEvents,
  where,
  type Change,
  type Clause,
  type Row,
} from './onboarding.store.js';
import { mustSee, mustTouch, notFound } from './ownership.js';
import { SEALED, wipedIn } from './secrets.js';
import { assignments, fromNow, type Patch } from './statement.js';
import { stepJob, stepJobId } from './step.job.js';
import { StepOutcome } from './step-outcome.js';
import { Steps } from './step.js';
import { Subjects } from './subjects.js';

export interface Resolution {
  outcome: 'done' | 'not_done';
  reason: string;
}

/** How often a command is tried again whose row changed under it. */
const TRIES = 3;

/** What can be asked of an onboarding besides its steps. */
@Injectable()
export class OnboardingService {
  constructor(
    private readonly store: OnboardingStore,
    private readonly claims: Claims,
    private readonly outcome: StepOutcome,
    private readonly fingerprint: Fingerprint,
    private readonly expiry: Expiry,
    private readonly jobs: JobProducer,
    private readonly steps: Steps,
    private readonly subjects: Subjects,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** @throws ProblemError `not_found`, also where it is another caller's. */
  async load(id: string, caller: Caller): Promise<Row> {
    return this.subjects.shown(mustSee(await this.#read(id), id, caller));
  }

  /** Its contact sealed, so that a row can be ended and erased whose key is lost. */
  async #read(id: string): Promise<Row> {
    const row = await this.store.find(id);
    if (!row) throw notFound(id);
    return asOfNow(row);
  }

  /** Clauses of a start that cancel the row it supersedes, provided that it is still as it was read. */
  superseding(row: Row): Clause[] {
    const events: NewEvent[] = [
      { type: 'cancelled', actor: 'caller', data: { reason: 'superseded' } },
      ...wipedEvents(row, 'cancelled'),
    ];
    return [
      {
        name: 'superseded',
        required: true,
        write: (b, target) => {
          const set = assignments(leaveFor('cancelled'), b).map(
            ({ column, value }) => `${column} = ${value}`,
          );
          return `
          UPDATE onboardings o SET ${set.join(', ')}, version = o.version + 1,
            last_seq = o.last_seq + ${events.length}, updated_at = clock_timestamp()
          FROM ${target} t
          WHERE o.id = ${b.bind(row.id, 'uuid')} AND ${where.version(row.version)(b)} AND ${where.attempt(row.attempt)(b)}
            AND ${asWritten(b)}
          RETURNING o.*`;
        },
      },
      {
        name: 'superseded_logged',
        required: true,
        write: (b) => `${insertEvents('superseded', events, b)} RETURNING 1`,
      },
    ];
  }

  /** The row after its expiry was written, where that was due. */
  async settleExpiry(id: string): Promise<Row> {
    const row = await this.#read(id);
    await this.expiry.runFor(id);
    return row;
  }

  /** @throws ProblemError `not_found` */
  async events(id: string, after: number, limit: number, caller: Caller): Promise<OnboardingEvent[]> {
    mustSee(await this.#read(id), id, caller);
    return this.store.events(id, after, limit);
  }

  /**
   * Whether the timeline says, or may come to say, more after an event's number. An end that is due counts once it is written:
   * its event is still to come. What may follow upon an end (a late answer, a decision, the erasure) is waited for by nobody.
   *
   * @throws ProblemError `not_found`
   */
  async hasMoreEvents(id: string, after: number, caller: Caller): Promise<boolean> {
    const { state, lastSeq } = mustSee(await this.store.find(id), id, caller);
    return !isEnded(state) || lastSeq > after;
  }

  /** Taken at once in any live state; a call in flight becomes evidence when its answer comes. */
  async cancel(id: string, reason: string | undefined, terms: Terms): Promise<Row> {
    return this.#command(id, terms, (row) => {
      if (isEnded(row.state)) throw ended(row);
      return {
        where: [where.stateIn(...LIVE_STATES), where.attempt(row.attempt)],
        patch: { ...leaveFor('cancelled') },
        events: [
          { type: 'cancelled', actor: 'caller', ...(reason && { data: { reason } }) },
          ...wipedEvents(row, 'cancelled'),
        ],
      };
    });
  }

  /**
   * Decides what became of a lost attempt. In `outcome_unknown` the onboarding goes on by it; on an ended onboarding it is
   * only recorded. `not_done` after `verify-otp` has a new code sent, because the old one is spent. Of several decisions
   * the first one stands, and the others are refused, even if they say the same.
   */
  async resolve(id: string, resolution: Resolution, terms: Terms): Promise<Row> {
    const seen = mustTouch(await this.#read(id), id, terms.caller, 'owner-or-operator');
    if (asksForNewCode(seen, resolution)) {
      const claimed = await this.claims.submit({
        id,
        terms,
        signal: 'resolved_not_done',
        step: 'init-otp',
        from: ['outcome_unknown'],
        by: 'owner-or-operator',
        where: [where.attempt(seen.attempt)],
        before: [
          {
            type: 'resolved',
            actor: 'caller',
            data: {
              ...givenBy(seen, terms.caller),
              ...resolution,
              step: seen.step,
              attempt: seen.unresolved.at(-1)?.attempt ?? seen.attempt,
            },
          },
        ],
        patch: { unresolved: seen.unresolved.filter((each) => !isDecided(seen, each)) },
        fingerprint: this.fingerprint.of(id, seen.subjectKey),
      });
      return this.outcome.of(claimed, terms.waitMs);
    }
    const seenOpen = seen.unresolved.at(-1);
    const lateIds = await this.#lateAuthenticatorIds(seen);
    return this.#command(id, terms, (row) => {
      const open = row.unresolved.at(-1);
      // The decision is only about the attempt that was open when it was made.
      if (seenOpen && open?.attempt !== seenOpen.attempt) throw decidedMeanwhile(row, seenOpen.attempt);
      const event = (more: object): NewEvent => ({
        type: 'resolved',
        actor: 'caller',
        data: { ...resolution, ...more },
      });
      if (isEnded(row.state)) {
        if (!open) throw ended(row);
        // A passkey that is known to exist is on record as one, or nobody would think of it again.
        const known =
          resolution.outcome === 'done' && isDecided(row, open)
            ? this.#resolvedDone(row, open.step, lateIds)
            : {};
        return {
          where: [where.stateIn(row.state), where.attempt(row.attempt)],
          patch: { unresolved: row.unresolved.slice(0, -1), ...known.patch },
          events: [event({ step: open.step, attempt: open.attempt })],
          ...(known.clauses && { clauses: known.clauses }),
        };
      }
      if (row.state !== 'outcome_unknown') {
        throw new ProblemError('illegal_state', {
          detail: 'No outcome is unknown here.',
          extensions: { state: row.state, nextAction: nextActionOf(row) },
        });
      }
      // It has become so since it was loaded: a new code is sent by a claim, and not by a mere change.
      if (asksForNewCode(row, resolution)) throw changing();
      return this.#resolved(
        row,
        resolution,
        event({ step: row.step, attempt: open?.attempt ?? row.attempt }),
      );
    });
  }

  /**
   * Leaves nothing personal of an onboarding, live ones being cancelled by it; what is left is a tombstone. Done again,
   * it does nothing: a repetition need not know the version that the first one made.
   */
  async erase(id: string, terms: Terms): Promise<void> {
    try {
      await this.#command(id, terms, (row) => {
        if (row.erasedAt) throw ended(row);
        if (isEnded(row.state)) return erasureOfEnded(id, [], 'caller');
        return {
          where: [where.stateIn(...LIVE_STATES), where.attempt(row.attempt)],
          patch: { ...leaveFor('cancelled'), ...BLANK },
          events: [
            { type: 'cancelled', actor: 'caller' },
            ...wipedEvents(row, 'cancelled'),
            { type: 'erased', actor: 'caller' },
          ],
        };
      });
    } catch (error) {
      const row = mustTouch(await this.#read(id), id, terms.caller, 'owner-or-operator');
      if (row.erasedAt === null) throw error;
    }
  }

  /** Has a step that waits or is parked tried now, and not when its time comes. */
  async retry(id: string, reason: string, terms: Terms): Promise<Row> {
    const row = await this.#command(id, terms, (seen) => {
      if (isEnded(seen.state)) throw ended(seen);
      const step = stepOfState(seen.state);
      if (!step || seen.leaseUntil !== null) {
        throw new ProblemError('illegal_state', {
          detail: step ? 'The step is in flight.' : 'No step waits here.',
          extensions: { state: seen.state, nextAction: nextActionOf(seen) },
        });
      }
      return {
        where: [where.stateIn(seen.state), where.attempt(seen.attempt), where.noLease()],
        patch: { parkedReason: null, parkedAt: null, nextAttemptAt: fromNow(0), wokenAt: null },
        events: [
          ...(seen.parkedReason ? [{ type: 'unparked', actor: 'caller', data: { reason } } as const] : []),
          {
            type: 'retry_scheduled',
            actor: 'caller',
            data: { step, attempt: seen.attempt + 1, inMs: 0, reason },
          },
        ],
      };
    });
    const payload = { onboardingId: id, attempt: row.attempt + 1 };
    await this.jobs.wake(stepJob(row.step!), payload, stepJobId(row.step!, payload));
    return row;
  }

  #resolved(row: Row, { outcome }: Resolution, event: NewEvent): Omit<Change, 'id'> {
    const signal: Signal = outcome === 'done' ? 'resolved_done' : 'resolved_not_done';
    const sessionLives = row.sessionEndsAt !== null && row.sessionEndsAt > row.now;
    const state = nextState({ state: row.state, step: row.step, sessionLives }, signal);
    if (!state) {
      throw new ProblemError('outcome_unknown', {
        detail: `"${outcome}" leads nowhere after ${row.step}: there is no session to go on with. Resolve "not_done", or ask for a new code.`,
        extensions: { state: row.state, nextAction: nextActionOf(row) },
      });
    }
    const done = outcome === 'done' ? this.#resolvedDone(row, row.step!, null) : {};
    return {
      where: [where.stateIn('outcome_unknown'), where.attempt(row.attempt)],
      patch: {
        ...leaveFor(state),
        reason: state === 'otp_needed' ? 'session_expired' : null,
        unresolved: row.unresolved.filter((each) => !isDecided(row, each)),
        doubtAttempt: null,
        lastResult: null,
        idleEndsAt: fromNow(this.config.ONBOARDING_IDLE_MS),
        ...done.patch,
      },
      events: [event, { type: signal, actor: 'caller' }, ...wipedEvents(row, state)],
      ...(done.clauses && { clauses: done.clauses }),
    };
  }

  #resolvedDone(row: Row, step: StepName, ids: string[] | null): { patch?: Patch; clauses?: Clause[] } {
    return this.steps.get(step).resolvedDone?.(row, ids) ?? {};
  }

  /** The provider's ids, where the answer that told them came too late to be applied. */
  async #lateAuthenticatorIds(row: Row): Promise<string[] | null> {
    const open = row.unresolved.at(-1);
    if (!isEnded(row.state) || !open) return null;
    const events = await this.store.events(row.id, 0, row.lastSeq);
    const late = events.find(
      ({ type, data }) => type === 'late_answer_kept' && data['attempt'] === open.attempt,
    );
    const ids = late?.data['authenticatorIds'];
    return Array.isArray(ids) ? (ids as string[]) : null;
  }

  /** Reads, decides, writes what was decided; again when the row changed in between. */
  async #command(
    id: string,
    { caller, versions, along }: Terms,
    decide: (row: Row) => Omit<Change, 'id'>,
  ): Promise<Row> {
    for (let tries = 0; tries < TRIES; tries++) {
      const row = mustTouch(await this.#read(id), id, caller, 'owner-or-operator');
      if (versions?.includes(row.version) === false) throw versionMismatch(row);
      const change = decide(row);
      const clauses = [...(along ? [along] : []), ...(change.clauses ?? [])];
      const changed = await this.store.change({
        id,
        ...change,
        events: change.events.map((event) =>
          event.actor === 'caller' ? { ...event, data: { ...givenBy(row, caller), ...event.data } } : event,
        ),
        where: [...change.where, asWritten, where.version(row.version), where.lastSeq(row.lastSeq)],
        clauses,
      });
      if (changed) return this.subjects.shown(asOfNow(changed));
      // The row read as expired, but is not yet written so.
      await this.expiry.runFor(id);
    }
    throw changing();
  }
}

/** Said where it was not its owner. */
const givenBy = (row: Row, caller: Caller) => (row.caller === caller.name ? {} : { by: caller.name });

const asksForNewCode = ({ state, step }: Row, { outcome }: Resolution) =>
  state === 'outcome_unknown' && step === 'verify-otp' && outcome === 'not_done';

const decidedMeanwhile = (row: Row, attempt: number) =>
  new ProblemError('illegal_state', {
    detail: `Attempt ${attempt} is not unresolved any more: another decision or its answer came first.`,
    extensions: { state: row.state, nextAction: nextActionOf(row) },
  });

const changing = () =>
  new ProblemError('illegal_state', { detail: 'The onboarding is changing; try again.', retryable: true });

/** The attempts that the decision on an unknown outcome is about: an earlier submission's stays open. */
const isDecided = (row: Row, { step, attempt }: UnresolvedAttempt) =>
  (row.step === null || step === row.step) && attempt >= row.submission;

function wipedEvents(row: Row, state: State): NewEvent[] {
  const wiped = isEnded(state) && SEALED.some((field) => row[field] !== null);
  return wiped ? [{ type: 'secrets_wiped', actor: 'service' }] : [];
}

/** What every change of state by command leaves behind. */
const leaveFor = (state: State): Patch => ({
  state,
  ...wipedIn(state),
  step: null,
  leaseUntil: null,
  nextAttemptAt: null,
  wokenAt: null,
  parkedReason: null,
  parkedAt: null,
});
