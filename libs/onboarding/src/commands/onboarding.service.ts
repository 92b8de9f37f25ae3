import { Inject, Injectable } from '@nestjs/common';
import { JobProducer } from '#libs/jobs';
import { ProblemError, type Caller } from '#libs/kernel';
import { CONFIG, type Config } from '#libs/platform';
import { Claims, type Terms } from '../attempt/claim.js';
import { FirstAttempt } from '../attempt/first-attempt.js';
import { stepJob, stepJobId } from '../attempt/step.job.js';
import type { SubjectRef } from '../attempt/step.js';
import { dataOf, type NewEvent } from '../flow/events.js';
import { asOfNow, isOfDecision, move, recordDecision, retryNow, type Moved } from '../flow/move.js';
import { mustSee, mustTouch } from '../flow/ownership.js';
import { changing, onboardingEnded, notFound, stateAndNextAction, versionMismatch } from '../flow/refusal.js';
import type { OnboardingEvent } from '../flow/onboarding-event.entity.js';
import { signalOfTime, type Row } from '../flow/row.js';
import { isEnded, nextState, stepOfState } from '../flow/table.js';
import { Fingerprint } from '../store/fingerprint.js';
import { OnboardingStore } from '../store/onboarding.store.js';
import { Subjects } from '../store/subjects.js';
import { Expiry } from '../upkeep/expire.js';
import { Erasure } from './erase.js';

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
    private readonly outcome: FirstAttempt,
    private readonly fingerprint: Fingerprint,
    private readonly expiry: Expiry,
    private readonly jobs: JobProducer,
    private readonly subjects: Subjects,
    private readonly erasure: Erasure,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** @throws ProblemError `not_found`, also where it is another caller's. */
  async load(id: string, caller: Caller): Promise<Row> {
    return this.subjects.withContact(mustSee(asOfNow(await this.#read(id)), id, caller));
  }

  /** @throws ProblemError `not_found` */
  async events(id: string, after: number, limit: number, caller: Caller): Promise<OnboardingEvent[]> {
    mustSee(await this.#read(id), id, caller);
    return this.store.events(id, after, limit);
  }

  /**
   * The onboarding that was the subject's live one when it was started last; what is due of it is written first.
   *
   * @returns null where there was none. The row is null where it is not there any more.
   */
  async liveOf({ integration, subjectKey }: SubjectRef): Promise<{ id: string; row: Row | null } | null> {
    const live = await this.store.findLive(integration, subjectKey);
    if (!live?.row || !signalOfTime(live.row)) return live;
    await this.expiry.runFor(live.id);
    return { id: live.id, row: await this.store.find(live.id) };
  }

  /**
   * Whether the timeline says, or may come to say, more after an event's number. An end that is due counts once it is written:
   * its event is still to come. What may follow upon an end (a late answer, a decision, the erasure) is waited for by nobody.
   *
   * @throws ProblemError `not_found`
   */
  async hasMoreEvents(id: string, after: number, caller: Caller): Promise<boolean> {
    const { state, lastSeq } = mustSee(await this.#read(id), id, caller);
    return !isEnded(state) || lastSeq > after;
  }

  /** Taken at once in any live state; a call in flight becomes evidence when its answer comes. */
  cancel(id: string, reason: string | undefined, terms: Terms): Promise<Row> {
    return this.#command(id, terms, (row, by) => {
      if (isEnded(row.state)) throw onboardingEnded(row);
      const facts = { ...by, ...(reason !== undefined && reason !== '' && { reason }) };
      return this.#moved(row, 'cancelled', facts);
    });
  }

  /**
   * Decides what became of a lost attempt. In `outcome_unknown` the onboarding goes on by it; on an ended onboarding it is
   * only recorded. `not_done` after `verify-otp` has a new code sent, because the old one is spent. Of several decisions
   * the first one stands, and the others are refused, even if they say the same.
   */
  async resolve(id: string, resolution: Resolution, terms: Terms): Promise<Row> {
    const seen = asOfNow(mustTouch(await this.#read(id), id, terms.caller, 'owner-or-operator'));
    if (asksForNewCode(seen, resolution)) return this.#resolveByNewCode(seen, resolution, terms);
    const seenOpen = seen.unresolved.at(-1);
    const lateIds = await this.#lateAuthenticatorIds(seen);
    return this.#command(id, terms, (row, by) => {
      const open = row.unresolved.at(-1);
      // The decision is only about the attempt that was open when it was made.
      if (seenOpen && open?.attempt !== seenOpen.attempt) throw decidedMeanwhile(row, seenOpen.attempt);
      const step = isEnded(row.state) ? open?.step : row.step;
      const decision: NewEvent = {
        type: 'resolved',
        actor: 'caller',
        data: { ...by, ...resolution, step: step!, attempt: open?.attempt ?? row.attempt },
      };
      if (isEnded(row.state)) {
        if (!open) throw onboardingEnded(row);
        return recordDecision(row, decision, resolution.outcome === 'done', lateIds);
      }
      if (row.state !== 'outcome_unknown') {
        throw new ProblemError('illegal_state', {
          detail: 'No outcome is unknown here.',
          extensions: stateAndNextAction(row),
        });
      }
      // It has become so since it was loaded: a new code is sent by a claim, and not by a mere change.
      if (asksForNewCode(row, resolution)) throw changing();
      return this.#resolved(row, resolution, { ...by, decision });
    });
  }

  /**
   * Leaves nothing personal of an onboarding, live ones being cancelled by it; what is left is a tombstone. Done again,
   * it does nothing: a repetition need not know the version that the first one made.
   */
  async erase(id: string, terms: Terms): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      const row = await this.#current(id, terms);
      if (row.erasedAt) return;
      if (terms.versions?.includes(row.version) === false) throw versionMismatch(row);
      if (await this.erasure.erase(row, 'caller', givenBy(row, terms.caller).by)) return;
    }
    throw changing();
  }

  /** Has a step that waits or is parked tried now, and not when its time comes. */
  async retry(id: string, reason: string, terms: Terms): Promise<Row> {
    const row = await this.#command(id, terms, (seen, by) => {
      if (isEnded(seen.state)) throw onboardingEnded(seen);
      const step = stepOfState(seen.state);
      if (!step || seen.leaseUntil !== null) {
        const detail = step ? 'The step is in flight.' : 'No step waits here.';
        throw new ProblemError('illegal_state', { detail, extensions: stateAndNextAction(seen) });
      }
      return retryNow(seen, step, { ...by, reason });
    });
    const step = row.step!;
    await this.jobs.wake(stepJob(step), { onboardingId: id }, stepJobId(step, id, row.attempt + 1));
    return row;
  }

  async #resolveByNewCode(seen: Row, resolution: Resolution, terms: Terms): Promise<Row> {
    const { id, attempt, step } = seen;
    const by = givenBy(seen, terms.caller);
    const decision: NewEvent = {
      type: 'resolved',
      actor: 'caller',
      data: { ...by, ...resolution, step: step!, attempt: seen.unresolved.at(-1)?.attempt ?? attempt },
    };
    const claimed = await this.claims.submit({
      id,
      terms,
      signal: 'resolved_not_done',
      step: 'init-otp',
      by: 'owner-or-operator',
      fingerprint: this.fingerprint.of(id, seen.subjectKey),
      write: (given) =>
        this.store.claimSend(given, {
          states: ['outcome_unknown'],
          events: [decision, { type: 'resolved_not_done', actor: 'caller', ...(by.by && { data: by }) }],
          lost: { attempt, unresolved: seen.unresolved.filter((each) => !isOfDecision(seen, each)) },
        }),
    });
    return this.outcome.runAndWait(claimed, terms.waitMs);
  }

  #resolved(row: Row, { outcome }: Resolution, facts: { decision: NewEvent; by?: string }): Moved {
    const signal = outcome === 'done' ? 'resolved_done' : 'resolved_not_done';
    if (!nextState({ state: row.state, step: row.step }, signal)) {
      throw new ProblemError('outcome_unknown', {
        detail: `"${outcome}" leads nowhere after ${row.step}: there is no session to go on with. Resolve "not_done", or ask for a new code.`,
        extensions: stateAndNextAction(row),
      });
    }
    return this.#moved(row, signal, facts);
  }

  #moved<S extends 'cancelled' | 'resolved_done' | 'resolved_not_done'>(
    row: Row,
    signal: S,
    facts: Parameters<typeof move<S>>[2],
  ): Moved {
    return move(row, signal, facts, { now: row.now, settings: this.config });
  }

  /** The provider's ids, where the answer that told them came too late to be applied. */
  async #lateAuthenticatorIds(row: Row): Promise<string[] | null> {
    const open = row.unresolved.at(-1);
    if (!isEnded(row.state) || !open) return null;
    const events = await this.store.events(row.id, 0, row.lastSeq);
    const late = events
      .map((event) => dataOf(event, 'late_answer_kept'))
      .find((data) => data?.attempt === open.attempt);
    return late?.authenticatorIds ?? null;
  }

  /** Its contact sealed, so that a row can be ended and erased whose key is lost. */
  async #read(id: string): Promise<Row> {
    const row = await this.store.find(id);
    if (!row) throw notFound(id);
    return row;
  }

  /** As it is written: a row that the time has changed is written first, or one version would be told as two states. */
  async #current(id: string, { caller }: Terms): Promise<Row> {
    const row = mustTouch(await this.#read(id), id, caller, 'owner-or-operator');
    if (!signalOfTime(row)) return row;
    await this.expiry.runFor(id);
    return this.#read(id);
  }

  /** Reads, decides, writes what was decided; again when the row changed in between. */
  async #command(id: string, terms: Terms, decide: (row: Row, by: { by?: string }) => Moved): Promise<Row> {
    for (let tries = 0; tries < TRIES; tries++) {
      const row = await this.#current(id, terms);
      if (terms.versions?.includes(row.version) === false) throw versionMismatch(row);
      const changed = await this.store.command(row, decide(row, givenBy(row, terms.caller)), terms.key);
      if (changed) return this.subjects.withContact(asOfNow(changed));
    }
    throw changing();
  }
}

/** Said where it was not its owner. */
const givenBy = (row: Row, caller: Caller): { by?: string } =>
  row.caller === caller.name ? {} : { by: caller.name };

const asksForNewCode = ({ state, step }: Row, { outcome }: Resolution) =>
  state === 'outcome_unknown' && step === 'verify-otp' && outcome === 'not_done';

const decidedMeanwhile = (row: Row, attempt: number) =>
  new ProblemError('illegal_state', {
    detail: `Attempt ${attempt} is not unresolved any more: another decision or its answer came first.`,
    extensions: stateAndNextAction(row),
  });
