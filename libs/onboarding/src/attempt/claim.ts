import { Inject, Injectable } from '@nestjs/common';
import { isDatabaseAway } from '#libs/database';
import { CLOCK, ProblemError, type Caller, type Clock } from '#libs/kernel';
import { asOfNow } from '../flow/move.js';
import { mustTouch, touchedBy, type MayGive } from '../flow/ownership.js';
import { changing, onboardingEnded, refusalOf, versionMismatch } from '../flow/refusal.js';
import { signalOfTime, type Row, type RowInStep } from '../flow/row.js';
import { isEnded, type Signal, type StepName } from '../flow/table.js';
import { OnboardingStore, type ClaimTicket, type Given, type KeyToTake } from '../store/onboarding.store.js';
import { Expiry } from '../upkeep/expire.js';
import { LostClaims } from './lost-claims.js';
import { repeatsEffect } from './retry-law.js';
import { Steps, type SubjectRef } from './step.js';

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
  /** The idempotency key to take with the command, or the command is not carried out. */
  key?: KeyToTake | undefined;
}

/** A command that begins a step, as far as the row alone can tell whether it is allowed. */
export interface Asked {
  signal: Signal;
  step: StepName;
  terms: Pick<Terms, 'caller' | 'versions'>;
  /** Who may give the command: by default the row's caller alone. */
  by?: MayGive;
}

export interface Submission extends Asked {
  id: string;
  terms: Terms;
  /** Keyed hash of what is submitted. */
  fingerprint: string;
  /** The statement of this claim. @returns null where it was refused, and nothing was written. */
  write(given: Given): Promise<Row | null>;
  /** @throws ProblemError that says why it was refused although the table allows it; returns for a lost race. */
  mustFit?(row: Row): void | Promise<void>;
}

/** Another try is for a row that had to be expired first, or that changed meanwhile. */
const TRIES = 3;
/** PostgreSQL's clock may have been set before the first. */
const LATE_TRIES = 2;

/** The first of an attempt's two writes: everything about it is committed before a byte leaves. */
@Injectable()
export class Claims {
  constructor(
    private readonly store: OnboardingStore,
    private readonly steps: Steps,
    private readonly expiry: Expiry,
    private readonly lost: LostClaims,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** @throws ProblemError that says why the onboarding cannot do that now. */
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
   * Claims an attempt. If PostgreSQL does not answer, nothing is sent, and the claim is settled as not sent once it is known
   * whether it was written.
   *
   * @param starts the subject, where the claim starts an onboarding.
   * @returns null where the claim was refused, and nothing was written.
   * @throws ProblemError `not_ready` where it came too late each time.
   */
  async claim(
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
      // It may have waited too long for a lock, or PostgreSQL's clock was set: that is no reason to refuse.
      if (!(await this.store.isLate(claim, this.clock.monotonicMs()))) return null;
    }
    throw new ProblemError('not_ready', {
      detail: 'The database takes too long to write. Nothing was done.',
      retryAfterS: 1,
    });
  }

  /** Claims the next attempt of a step that waits for it. @returns null when it is not due, or not ours any more. */
  retry(row: RowInStep): Promise<Claimed | null> {
    const isCharged = row.step === 'init-otp' && !repeatsEffect(row, row.step);
    return this.claim(row.id, null, (claim) => this.store.retry(row, claim, isCharged));
  }

  /** @throws ProblemError for a command that the row, as it is read, does not allow. */
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
