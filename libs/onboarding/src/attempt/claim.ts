import { Inject, Injectable } from '@nestjs/common';
import { isDatabaseAway } from '#libs/database';
import { CLOCK, ProblemError, type Caller, type Clock } from '#libs/kernel';
import { traced, type Span } from '#libs/platform';
import { asOfNow } from '../flow/move.js';
import { mustTouch, touchedBy, type MayGive } from '../flow/ownership.js';
import { changing, onboardingEnded, refusalOf, versionMismatch } from '../flow/refusal.js';
import { signalOfTime, type Row, type RowInStep } from '../flow/row.js';
import { isEnded, type Signal, type StepName } from '../flow/table.js';
import { OnboardingStore, type ClaimTicket, type Given, type KeyToTake } from '../store/onboarding.store.js';
import { Expiry } from '../upkeep/expire.js';
import type { AnswerMaker } from './answer-with-settle.js';
import { spanAttributesOf } from './attempt-span.js';
import { LostClaims } from './lost-claims.js';
import { repeatsEffect } from './retry-law.js';
import { Steps, type SubjectRef } from './step.js';

/**
 * An attempt that is written in the database. Its first call may begin only within `CLAIM_MAX_AGE_MS` after
 * this write (the claim) began.
 */
export interface Claimed {
  row: Row;
  /** On the monotonic clock. */
  claimedAtMs: number;
}

/** The conditions that a caller can set for any command. */
export interface Terms {
  caller: Caller;
  /** How long the caller waits for the end of the step. */
  waitMs: number;
  /** From `If-Match`. The row must have one of them. */
  versions?: readonly number[] | undefined;
  /** If the key was used before, the command is not carried out. */
  key?: KeyToTake | undefined;
  answerMaker?: AnswerMaker | undefined;
}

/** Decides, together with the row, whether a command may begin its step. */
export interface Asked {
  signal: Signal;
  step: StepName;
  terms: Pick<Terms, 'caller' | 'versions'>;
  /** Who may give the command. By default, only the owner of the row. */
  by?: MayGive;
}

export interface Submission extends Asked {
  id: string;
  terms: Terms;
  /** Keyed hash of the submitted values. */
  fingerprint: string;
  /** @returns null if a condition was not met. Then nothing is written. */
  write(given: Given): Promise<Row | null>;
  /**
   * Finds out why PostgreSQL refused the write, although the state allows the command.
   *
   * @throws ProblemError with the reason. Does not throw if another writer was faster.
   */
  mustFit?(row: Row): void | Promise<void>;
}

/**
 * How often a claim is tried. The row may have to be expired first, or may have changed since it was read.
 */
const TRIES = 3;
/** How often a late claim is tried. A claim is late, for example, if PostgreSQL's clock was changed. */
const LATE_TRIES = 2;

/** The claim is the first of an attempt's two writes. It is committed before the provider gets a byte. */
@Injectable()
export class Claims {
  constructor(
    private readonly store: OnboardingStore,
    private readonly steps: Steps,
    private readonly expiry: Expiry,
    private readonly lost: LostClaims,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** @throws ProblemError if the onboarding does not allow the submission now. */
  async submit(submission: Submission): Promise<Claimed> {
    const { id, terms, by = 'owner', fingerprint } = submission;
    const given = {
      id,
      by: touchedBy(terms.caller, by),
      versions: terms.versions,
      key: terms.key,
      fingerprint,
    };
    for (let tries = 0; tries < TRIES; tries++) {
      const claimed = await this.claim(id, null, (claim) => submission.write({ ...given, claim }));
      if (claimed) return claimed;
      await this.#mustBeAllowed(submission);
    }
    throw changing();
  }

  /**
   * If PostgreSQL does not answer, nothing is sent to the provider. {@link LostClaims} records this later.
   *
   * @param starts the subject, if the claim starts an onboarding.
   * @returns null if PostgreSQL refused the claim.
   * @throws ProblemError `not_ready` if the claim came too late at each try.
   */
  claim(
    id: string,
    starts: SubjectRef | null,
    write: (claim: ClaimTicket) => Promise<Row | null>,
  ): Promise<Claimed | null> {
    return traced('claim', () => this.#claim(id, starts, write), noteClaim);
  }

  async #claim(
    id: string,
    starts: SubjectRef | null,
    write: (claim: ClaimTicket) => Promise<Row | null>,
  ): Promise<Claimed | null> {
    for (let tries = 0; tries < LATE_TRIES; tries++) {
      const claim = await this.store.newClaim();
      const claimedAtMs = this.clock.monotonicMs();
      try {
        const row = await write(claim);
        if (row) return { row, claimedAtMs };
      } catch (error) {
        if (isDatabaseAway(error)) this.lost.settleLater(id, claim, starts);
        throw error;
      }
      // Only a late claim is tried again. It waited for a lock, or PostgreSQL's clock was changed.
      if (!(await this.store.isLate(claim, this.clock.monotonicMs()))) return null;
    }
    throw new ProblemError('not_ready', {
      detail: 'The database takes too long to write. The request had no effect. Send it again.',
      retryAfterS: 1,
    });
  }

  /** @returns null if the row has changed, or if the subject may get no further code now. */
  retry(row: RowInStep): Promise<Claimed | null> {
    const isCharged = row.step === 'init-otp' && !repeatsEffect(row, row.step);
    return this.claim(row.id, null, (claim) => this.store.retry(row, claim, isCharged));
  }

  /** @throws ProblemError if the row does not allow the command. */
  mustAllow(seen: Row, { signal, step, terms, by = 'owner' }: Asked): void {
    const row = asOfNow(mustTouch(seen, seen.id, terms.caller, by));
    if (isEnded(row.state)) throw onboardingEnded(row);
    if (terms.versions?.includes(row.version) === false) throw versionMismatch(row);
    const refusal = refusalOf(row, signal, step);
    if (refusal) throw refusal;
  }

  async #mustBeAllowed(submission: Submission): Promise<void> {
    const { id, terms, by = 'owner' } = submission;
    const row = mustTouch(await this.store.find(id), id, terms.caller, by);
    if (signalOfTime(row)) {
      await this.expiry.runFor(id);
      return;
    }
    this.mustAllow(row, submission);
    await submission.mustFit?.(row);
    await this.steps.get(submission.step).mustHaveRoom?.(row, row);
  }
}

function noteClaim(span: Span, claimed: Claimed | null): void {
  if (claimed) for (const each of [span, span.root]) each.set(spanAttributesOf(claimed.row));
}
