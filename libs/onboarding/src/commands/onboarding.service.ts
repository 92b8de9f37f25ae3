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
import {
  sendsNewCode,
  changing,
  notFound,
  refusalOfCancel,
  refusalOfDecision,
  refusalOfRetry,
  stateAndNextAction,
  versionMismatch,
} from '../flow/refusal.js';
import type { OnboardingEvent } from '../flow/onboarding-event.entity.js';
import type { Row } from '../flow/row.js';
import { isEnded, stepOfState } from '../flow/table.js';
import { Fingerprint } from '../store/fingerprint.js';
import { OnboardingStore } from '../store/onboarding.store.js';
import { Subjects } from '../store/subjects.js';
import { Expiry } from '../upkeep/expire.js';
import { Erasure } from './erase.js';

export interface Resolution {
  outcome: 'done' | 'not_done';
  reason: string;
}

/** How often a command is tried if other commands change its row. */
const TRIES = 3;

/** Reads onboardings, and carries out commands on them. Other libs carry out the steps. */
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

  /** @throws ProblemError `not_found`, also if the caller may not see the onboarding. */
  async load(id: string, caller: Caller): Promise<Row> {
    return this.subjects.withContact(mustSee(asOfNow(await this.#read(id)), id, caller));
  }

  /** @throws ProblemError `not_found` */
  async events(id: string, after: number, limit: number, caller: Caller): Promise<OnboardingEvent[]> {
    mustSee(await this.#read(id), id, caller);
    return this.store.events(id, after, limit);
  }

  /**
   * Finds the subject's latest onboarding, live or ended. If a deadline has passed, writes its effect first.
   *
   * @returns null if there never was one. `row` is null if the row was deleted.
   */
  async latestOf({ integration, subjectKey }: SubjectRef): Promise<{ id: string; row: Row | null } | null> {
    const live = await this.store.findLatest(integration, subjectKey);
    return live?.row ? { id: live.id, row: await this.expiry.upToDate(live.row) } : live;
  }

  /**
   * Whether the timeline has events after the number `after`, or will certainly get some, because a live
   * onboarding gets the event of its end.
   *
   * @throws ProblemError `not_found`
   */
  async hasMoreEvents(id: string, after: number, caller: Caller): Promise<boolean> {
    const { state, lastSeq } = mustSee(await this.#read(id), id, caller);
    return !isEnded(state) || lastSeq > after;
  }

  /** Cancels in any live state. If a call is in flight, its answer is only recorded. */
  cancel(id: string, reason: string | undefined, terms: Terms): Promise<Row> {
    return this.#command(id, terms, (row, by) => {
      throwAny(refusalOfCancel(row));
      const facts = { ...by, ...(reason !== undefined && reason !== '' && { reason }) };
      return this.#moved(row, 'cancelled', facts);
    });
  }

  /**
   * Decides an unresolved attempt; on an ended onboarding, only records the decision. Only the first decision
   * is accepted. `not_done` after `verify-otp` sends a new code, because the old code cannot be used again.
   *
   * @param about the attempt to decide. Undefined: the one that is unresolved now. Null: none was unresolved
   *   when the operation started, so the decision is refused.
   */
  async resolve(id: string, resolution: Resolution, terms: Terms, about?: number | null): Promise<Row> {
    const seen = asOfNow(mustTouch(await this.#read(id), id, terms.caller, 'owner-or-operator'));
    if (sendsNewCode(seen, resolution.outcome)) {
      throwAny(refusalOfOther(seen, about));
      return this.#resolveByNewCode(seen, resolution, terms);
    }
    const seenOpen = seen.unresolved.at(-1);
    const lateIds = await this.#lateAuthenticatorIds(seen);
    return this.#command(id, terms, (row, by) => {
      const open = row.unresolved.at(-1);
      // The decision covers only the attempt that was unresolved when the caller decided.
      if (seenOpen && open?.attempt !== seenOpen.attempt) throw decidedMeanwhile(row, seenOpen.attempt);
      const step = isEnded(row.state) ? open?.step : row.step;
      const decision: NewEvent = {
        type: 'resolved',
        actor: 'caller',
        data: { ...by, ...resolution, step: step!, attempt: open?.attempt ?? row.attempt },
      };
      throwAny(refusalOfDecision(row, resolution.outcome) ?? refusalOfOther(row, about));
      if (isEnded(row.state)) return recordDecision(row, decision, resolution.outcome === 'done', lateIds);
      // The row has changed, and the decision now needs a new code, so the caller must retry.
      if (sendsNewCode(row, resolution.outcome)) throw changing();
      const signal = resolution.outcome === 'done' ? 'resolved_done' : 'resolved_not_done';
      return this.#moved(row, signal, { ...by, decision });
    });
  }

  /** Also cancels a live onboarding. A repeated erasure does nothing, and does not check `If-Match`. */
  async erase(id: string, terms: Terms): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      const row = await this.#current(id, terms);
      if (row.erasedAt) return;
      if (terms.versions?.includes(row.version) === false) throw versionMismatch(row);
      if (await this.erasure.erase(row, 'caller')) return;
    }
    throw changing();
  }

  /** Tries a waiting or parked step now. */
  async retry(id: string, reason: string, terms: Terms): Promise<Row> {
    const row = await this.#command(id, terms, (seen, by) => {
      throwAny(refusalOfRetry(seen));
      return retryNow(seen, stepOfState(seen.state)!, { ...by, reason });
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
      fingerprint: this.fingerprint.compute(id, seen.subjectKey),
      write: (given) =>
        this.store.claimSend(given, {
          states: ['outcome_unknown'],
          events: [decision, { type: 'resolved_not_done', actor: 'caller', ...(by.by && { data: by }) }],
          lost: { attempt, unresolved: seen.unresolved.filter((each) => !isOfDecision(seen, each)) },
        }),
    });
    return this.outcome.runAndWait(claimed, terms);
  }

  #moved<S extends 'cancelled' | 'resolved_done' | 'resolved_not_done'>(
    row: Row,
    signal: S,
    facts: Parameters<typeof move<S>>[2],
  ): Moved {
    return move(row, signal, facts, { now: row.now, settings: this.config });
  }

  /** @returns the passkeys' ids from an answer after the onboarding's end; null if there is none. */
  async #lateAuthenticatorIds(row: Row): Promise<string[] | null> {
    const open = row.unresolved.at(-1);
    if (!isEnded(row.state) || !open) return null;
    const events = await this.store.events(row.id, 0, row.lastSeq);
    const late = events
      .map((event) => dataOf(event, 'late_answer_kept'))
      .find((data) => data?.attempt === open.attempt);
    return late?.authenticatorIds ?? null;
  }

  /** Does not decrypt the contact, so that a row with a lost key can be ended and erased. */
  async #read(id: string): Promise<Row> {
    const row = await this.store.find(id);
    if (!row) throw notFound(id);
    return row;
  }

  async #current(id: string, { caller }: Terms): Promise<Row> {
    const seen = mustTouch(await this.#read(id), id, caller, 'owner-or-operator');
    const row = await this.expiry.upToDate(seen);
    if (!row) throw notFound(id);
    return row;
  }

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

const givenBy = (row: Row, caller: Caller): { by?: string } =>
  row.caller === caller.name ? {} : { by: caller.name };

function throwAny(refusal: ProblemError | null): void {
  if (refusal) throw refusal;
}

/** Refuses a decision about an attempt that is not the unresolved one. */
function refusalOfOther(row: Row, about: number | null | undefined): ProblemError | null {
  const open = isEnded(row.state) ? (row.unresolved.at(-1)?.attempt ?? null) : row.attempt;
  if (about === undefined || about === open) return null;
  return new ProblemError('illegal_state', {
    detail:
      `Attempt ${open} is unresolved now. ` +
      (about === null
        ? 'When the operation started, no attempt was unresolved.'
        : `The decision is about attempt ${about}.`),
    extensions: stateAndNextAction(row),
  });
}

const decidedMeanwhile = (row: Row, attempt: number) =>
  new ProblemError('illegal_state', {
    detail: `Attempt ${attempt} was resolved already, by another decision or by the provider’s late answer.`,
    extensions: stateAndNextAction(row),
  });
