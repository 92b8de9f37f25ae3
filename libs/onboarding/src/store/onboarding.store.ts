import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { PreparedStatements, isRefusal } from '#libs/database';
import { CLOCK, type Clock, inBatchesWithRests, timeOfUuidV7 } from '#libs/kernel';
import { CONFIG, currentSpan, type Config } from '#libs/platform';
import type { SubjectRef } from '../attempt/step.js';
import { after, type Moved } from '../flow/move.js';
import type { OnboardingEvent } from '../flow/onboarding-event.entity.js';
import {
  changesAt,
  deadlineOf,
  type AuthenticatorSummary,
  type Columns,
  type Row,
  type RowInStep,
} from '../flow/row.js';
import { SEALED, type State, type StepName } from '../flow/table.js';
import type { NewEvent } from '../flow/events.js';
import type { AnswerToStore, Answering } from './answering.js';
import { readRow, withComputed, writtenColumns, type Raw } from './read-row.js';
import { PostgresClock } from './postgres-clock.js';
import type { Statement } from './statement.js';
import { FORGET_BUDGETS } from './statements/budgets.js';
import { CLAIM_AUTHENTICATORS } from './statements/claim-authenticators.js';
import { CLAIM_SEND } from './statements/claim-send.js';
import { CLAIM_VERIFY } from './statements/claim-verify.js';
import { COMMAND } from './statements/command.js';
import { ERASE, ERASE_LATE } from './statements/erase.js';
import { FIND_FOR_PASSKEYS } from './statements/find-for-passkeys.js';
import { FIND, FIND_LATEST, NOW, WAIT_FOR_STARTS, WAIT_FOR_WRITERS } from './statements/reads.js';
import { RETRY, RETRY_SEND } from './statements/retry.js';
import { SETTLE_AUTHENTICATORS } from './statements/settle-authenticators.js';
import { SETTLE_SEND } from './statements/settle-send.js';
import { SETTLE_VERIFY } from './statements/settle-verify.js';
import { START } from './statements/start.js';
import { EVENTS_AFTER } from './statements/timelines.js';
import { ISSUE_CHALLENGE } from './statements/issue-challenge.js';
import { KEEP_REQUESTS, PUT_OFF } from './statements/waiting.js';

export interface KeyToTake {
  caller: string;
  /** Method and pattern of the path. */
  route: string;
  key: string;
  /** Keyed hash of the path and the body. */
  fingerprint: string;
  /** A UUID that distinguishes this request from its repetitions. */
  id: string;
  lockMs: number;
}

export interface Given {
  id: string;
  /** The caller that must own the row, and the allowed integrations; null means any. */
  by: { caller: string | null; integrations: string[] | null };
  versions: readonly number[] | undefined;
  key: KeyToTake | undefined;
  fingerprint: string;
  claim: ClaimTicket;
}

/** Identifies a claim (the first write of an attempt), in case PostgreSQL's answer is lost. */
export interface ClaimTicket {
  claimId: string;
  /** From this time of PostgreSQL's clock on, the claim writes nothing. */
  claimBefore: Date;
}

export type Started = Pick<
  Columns,
  | 'id'
  | 'caller'
  | 'integration'
  | 'provider'
  | 'subject'
  | 'subjectKey'
  | 'sealedContact'
  | 'sealedDataKey'
  | 'dataKeyId'
  | 'otpChoice'
  | 'externalRef'
  | 'metadata'
  | 'sealedRequests'
  | 'fingerprint'
>;

const FORGET_BATCH = 5_000;
const SETTLE: Record<StepName, Statement> = {
  'init-otp': SETTLE_SEND,
  'verify-otp': SETTLE_VERIFY,
  'create-authenticators': SETTLE_AUTHENTICATORS,
};

type Issue = Pick<Given, 'id' | 'by' | 'versions' | 'key'>;

export interface ForPasskeys {
  row: Row;
  /** Unused challenges (unpadded base64url), each with its number of failed submissions. */
  outstanding: ReadonlyMap<string, number>;
  /** The subject's credential ids, unpadded base64url. */
  registered: string[];
}

/** The only writer of onboardings and their timelines: one statement per change. */
@Injectable()
export class OnboardingStore {
  readonly #limits: Record<string, number>;
  readonly #callMs: number;
  readonly #claimMs: number;
  readonly #postgresClock: PostgresClock;

  constructor(
    private readonly statements: PreparedStatements,
    @Inject(CONFIG) config: Config,
    @Inject(CLOCK) clock: Clock,
  ) {
    this.#postgresClock = new PostgresClock(clock, async () => {
      const [answer] = await this.run<{ now: Date }>(NOW, {});
      return answer!.now;
    });
    this.#claimMs = config.CLAIM_MAX_AGE_MS;
    this.#callMs = config.CALL_TIMEOUT_MS;
    this.#limits = {
      callMs: config.CALL_TIMEOUT_MS,
      leaseMs: config.LEASE_MS,
      idleMs: config.ONBOARDING_IDLE_MS,
      lifeMs: config.ONBOARDING_LIFE_MS,
      cooldownMs: config.OTP_RESEND_COOLDOWN_MS,
      windowMs: config.OTP_SEND_WINDOW_MS,
      sendsPerWindow: config.OTP_SENDS_PER_WINDOW,
      sendsPerDay: config.OTP_SENDS_PER_DAY,
      wrongPerDay: config.OTP_WRONG_PER_DAY,
    };
  }

  async find(id: string): Promise<Row | null> {
    return this.#row(FIND, { id });
  }

  async findForPasskeys(id: string): Promise<ForPasskeys | null> {
    const [raw] = await this.run<Raw & { challenges: Record<string, number>; registered: string[] }>(
      FIND_FOR_PASSKEYS,
      { id },
    );
    if (!raw) return null;
    const { challenges, registered, ...row } = raw;
    return {
      row: readRow(row, this.#callMs),
      outstanding: new Map(Object.entries(challenges)),
      registered,
    };
  }

  /** @returns the subject's latest onboarding, live or ended. `row` is null if the row is gone. */
  async findLatest(integration: string, subjectKey: string): Promise<{ id: string; row: Row | null } | null> {
    const [raw] = await this.run<Raw & { liveId: string | null }>(FIND_LATEST, { integration, subjectKey });
    if (!raw?.liveId) return null;
    return { id: raw.liveId, row: raw['id'] === null ? null : readRow(raw, this.#callMs) };
  }

  /** @returns a ticket for `CLAIM_MAX_AGE_MS` from now, by the estimate of PostgreSQL's clock. */
  async newClaim(): Promise<ClaimTicket> {
    const nowMs = await this.#postgresClock.estimateMs();
    return { claimId: randomUUID(), claimBefore: new Date(nowMs + this.#claimMs) };
  }

  /**
   * @param answeredAtMs when PostgreSQL refused the claim, on the monotonic clock.
   * @returns whether the claim may have come too late.
   */
  async isLate({ claimBefore }: ClaimTicket, answeredAtMs: number): Promise<boolean> {
    await this.#postgresClock.read();
    return (await this.#postgresClock.estimateMs(answeredAtMs)) >= claimBefore.getTime();
  }

  /**
   * Waits until an unanswered claim can no longer write. @returns the row of the claim, if it was written.
   */
  async findClaimed(
    id: string,
    { claimId, claimBefore }: ClaimTicket,
    starts: SubjectRef | null,
  ): Promise<Row | null> {
    for (;;) {
      const now = await this.#postgresClock.read();
      if (now > claimBefore) break;
      await sleep(claimBefore.getTime() - now.getTime() + 1);
    }
    // The claim may have been written, but not committed yet.
    if (starts) await this.#row(WAIT_FOR_STARTS, { ...starts });
    else await this.run(WAIT_FOR_WRITERS, { id });
    const row = await this.find(id);
    return row?.claimId === claimId ? row : null;
  }

  events(id: string, after: number, limit: number): Promise<OnboardingEvent[]> {
    return this.run<OnboardingEvent>(EVENTS_AFTER, { id, after, limit });
  }

  /**
   * Inserts a row whose first attempt is in flight.
   *
   * @param superseded the subject's live onboarding, and the change that cancels it.
   * @param goneId the subject's latest onboarding, if its row is gone.
   * @returns null, with nothing written, if the subject has a live onboarding, a budget is used up, or the
   *   idempotency key exists.
   */
  start(
    started: Started,
    claim: ClaimTicket,
    key: KeyToTake | undefined,
    {
      superseded = null,
      goneId = null,
    }: { superseded?: { row: Row; moved: Moved } | null; goneId?: string | null },
  ): Promise<Row | null> {
    return this.#row(START, {
      ...started,
      ...claim,
      traceParent: traceParent(),
      // Lists filter by the time in the id, so `createdAt` must be the same time.
      createdAt: new Date(timeOfUuidV7(started.id)),
      ...keyColumns(key),
      // The onboarding and the idempotency key belong to the same caller.
      caller: started.caller,
      oldId: superseded?.row.id ?? null,
      oldAttempt: superseded?.row.attempt ?? null,
      oldVersion: superseded?.row.version ?? null,
      oldSeq: superseded?.row.lastSeq ?? null,
      oldBefore: superseded && changesAt(superseded.row),
      oldEvents: superseded?.moved.events ?? [],
      goneId,
    });
  }

  /**
   * Begins to send another code. Without `lost`: a resend, which drops unresolved verifications. With `lost`:
   * a decision on the lost attempt, which keeps the attempts in `lost.unresolved`.
   */
  claimSend(
    given: Given,
    {
      states,
      events,
      sealedRequests = null,
      lost = null,
    }: {
      states: readonly State[];
      events: NewEvent[];
      sealedRequests?: Buffer | null;
      lost?: { attempt: number; unresolved: Row['unresolved'] } | null;
    },
  ): Promise<Row | null> {
    return this.#claim(CLAIM_SEND, given, {
      states,
      events,
      sealedRequests,
      lostAttempt: lost?.attempt ?? null,
      unresolved: lost?.unresolved ?? null,
    });
  }

  /** @param taking the integrations that accept this form of a code; null for all. */
  claimVerify(given: Given, sealedOtpCode: Buffer, taking: string[] | null): Promise<Row | null> {
    return this.#claim(CLAIM_VERIFY, given, { sealedOtpCode, taking });
  }

  claimAuthenticators(
    given: Given,
    submitted: {
      sealedAuthenticators: Buffer;
      pendingAuthenticators: AuthenticatorSummary[];
      challenges: string[];
      maxAuthenticators: number;
    },
  ): Promise<Row | null> {
    const credentialIds = submitted.pendingAuthenticators.map(({ credentialId }) => credentialId);
    return this.#claim(CLAIM_AUTHENTICATORS, given, { ...submitted, credentialIds });
  }

  /**
   * Begins the next attempt of a waiting step.
   *
   * @param isCharged whether the attempt counts in a budget: each send does, unless the provider treats it as
   *   a repetition.
   * @returns null if the attempt is not due, the row has changed, or a budget is used up.
   */
  retry({ id, state, attempt }: RowInStep, claim: ClaimTicket, isCharged: boolean): Promise<Row | null> {
    return this.#row(isCharged ? RETRY_SEND : RETRY, { id, state, attempt, ...claim });
  }

  /**
   * Writes the end of an attempt.
   *
   * @param now becomes the time of the row's last change if `answering` offers an answer, which contains this
   *   time.
   * @returns null if the row has changed since it was read, by a write or by time (`changesAt`). After a
   *   change by time, the expiry must be written first, because callers may have read the next state.
   */
  async settle(
    step: StepName,
    seen: Row,
    moved: Moved,
    now: Date,
    answering?: Answering,
  ): Promise<Row | null> {
    const to = after(seen, moved, now);
    const answer = answering?.begin(to) ?? null;
    const computed = await this.#ask(SETTLE[step], this.#ended(seen, moved, to, answer));
    if (!computed) return null;
    const { answered, ...columns } = computed;
    if (answered === true) answering!.stored();
    return withComputed(to, columns);
  }

  #ended(seen: Row, moved: Moved, to: Row, answer: AnswerToStore | null) {
    return {
      ...this.#written(seen, moved, to),
      sealedGrant: moved.patch.sealedGrant === undefined ? seen.sealedGrant : moved.patch.sealedGrant,
      nextAttemptAt: seen.nextAttemptAt,
      before: changesAt(seen),
      refundSends: moved.refund === 'send' ? 1 : 0,
      refundTries: moved.refund === 'try' ? 1 : 0,
      updatedAt: answer && to.updatedAt,
      ...(answer ?? NO_ANSWER),
    };
  }

  /** @returns null if the row has changed since it was read. */
  command(seen: Row, moved: Moved, key?: KeyToTake): Promise<Row | null> {
    return this.#write(COMMAND, seen, moved, { before: changesAt(seen), ...keyColumns(key) });
  }

  /**
   * Records a late answer, even if a passed deadline is not written yet.
   *
   * @returns null if the row has changed since it was read.
   */
  keepAnswer(seen: Row, kept: Moved): Promise<Row | null> {
    return this.#write(COMMAND, seen, kept, { before: null, ...keyColumns(undefined) });
  }

  /**
   * @param anchor the new anchor, over the events without their data; null if the timeline has none.
   * @returns null if the row has changed since it was read.
   */
  async erase(seen: Row, moved: Moved, anchor: Buffer | null): Promise<Row | null> {
    const row = await this.#row(ERASE, {
      ...this.#written(seen, moved, after(seen, moved, seen.now)),
      anchor,
      anchoredSeq: seen.anchoredSeq,
      before: changesAt(seen),
      subjectKey: seen.subjectKey,
    });
    if (row) await this.run(ERASE_LATE, { id: seen.id });
    return row;
  }

  /** Delays the next try. @returns false if the row has changed since it was read. */
  async putOff(row: Row, waitMs: number): Promise<boolean> {
    const written = await this.run(PUT_OFF, { ...seenIn(row), waitMs, deadline: deadlineOf(row) });
    return written.length > 0;
  }

  /**
   * Stores the provider requests that each try of a submission sends again.
   *
   * @returns false if the attempt has lost its lease.
   */
  async keepRequests({ id, attempt }: Row, sealedRequests: Buffer): Promise<boolean> {
    return (await this.run(KEEP_REQUESTS, { id, attempt, sealedRequests })).length > 0;
  }

  /**
   * @param issued.rooms how many passkeys each integration allows a subject.
   * @returns null, with nothing written, if the onboarding accepts no further passkey from the caller or the
   *   idempotency key exists.
   */
  async issueChallenge(
    { id, by, versions, key }: Issue,
    issued: {
      challenge: string;
      lifeMs: number;
      outstanding: number;
      rooms: Readonly<Record<string, number>>;
    },
  ): Promise<Pick<ForPasskeys, 'row' | 'registered'> | null> {
    const { caller: keyCaller, ...taken } = keyColumns(key);
    const values = {
      id,
      ...by,
      versions: versions ?? null,
      ...issued,
      ...taken,
      keyCaller,
      callMs: this.#callMs,
    };
    const [raw] = await this.run<Raw & Record<'registered', string[]>>(ISSUE_CHALLENGE, values);
    if (!raw) return null;
    const { registered, ...row } = raw;
    return { row: readRow(row, this.#callMs), registered };
  }

  /** @returns how many budgets were deleted. */
  async forgetBudgets(stop?: AbortSignal): Promise<number> {
    let after = { integration: '', subjectKey: '' };
    let forgotten = 0;
    await inBatchesWithRests(
      FORGET_BATCH,
      async (limit) => {
        const [page] = await this.run<typeof after & { gone: number; seen: number }>(FORGET_BUDGETS, {
          ...after,
          limit,
        });
        if (!page) return 0;
        forgotten += page.gone;
        after = page;
        return page.seen;
      },
      stop,
    );
    return forgotten;
  }

  run<Result>(statement: Statement, values: Readonly<Record<string, unknown>>): Promise<Result[]> {
    return this.statements.run<Result>(statement, statement.bind(values));
  }

  /** Runs a statement that returns all columns of onboardings. */
  async rows(statement: Statement, values: Readonly<Record<string, unknown>>): Promise<Row[]> {
    return (await this.run<Raw>(statement, values)).map((raw) => readRow(raw, this.#callMs));
  }

  #claim(
    statement: Statement,
    { by, key, versions, claim, ...given }: Given,
    values: Record<string, unknown>,
  ): Promise<Row | null> {
    const { caller: keyCaller, ...taken } = keyColumns(key);
    return this.#row(statement, {
      ...given,
      ...claim,
      traceParent: traceParent(),
      ...by,
      versions: versions ?? null,
      ...taken,
      keyCaller,
      ...values,
    });
  }

  #write(
    statement: Statement,
    seen: Row,
    moved: Moved,
    values: Record<string, unknown>,
  ): Promise<Row | null> {
    const { caller: keyCaller = null, ...more } = values;
    return this.#row(statement, {
      ...this.#written(seen, moved, after(seen, moved, seen.now)),
      keyCaller,
      ...more,
    });
  }

  #written(seen: Row, moved: Moved, to: Row) {
    // Keeps each sealed column that the change does not wipe as it is in the database: the call may have
    // stored its requests since `seen` was read.
    const keeps = SEALED.filter((field) => moved.patch[field] !== null);
    return { ...seenIn(seen), row: { ...writtenColumns(to), keeps }, events: moved.events };
  }

  /** @returns null, with nothing written, if a condition does not hold. */
  async #row(statement: Statement, values: Readonly<Record<string, unknown>>): Promise<Row | null> {
    const raw = await this.#ask(statement, values);
    return raw && readRow(raw, this.#callMs);
  }

  async #ask(statement: Statement, values: Readonly<Record<string, unknown>>): Promise<Raw | null> {
    const answered = this.#postgresClock.ask();
    try {
      const [raw] = await this.run<Raw>(statement, { ...this.#limits, ...values });
      if (raw) answered(raw['now'] as Date);
      return raw ?? null;
    } catch (error) {
      if (isRefusal(error)) return null;
      throw error;
    }
  }
}

/** If one of these values has changed since the read, the statement writes nothing. */
const seenIn = ({ id, attempt, version, lastSeq }: Row) => ({ id, attempt, version, lastSeq });

/** The worker links later attempts to the trace of the command. */
const traceParent = () => currentSpan()?.root.traceparent ?? null;

const NO_ANSWER = { keyCaller: null, route: null, key: null, takenBy: null, sealedAnswer: null };

const keyColumns = (key: KeyToTake | undefined) => ({
  caller: key?.caller ?? null,
  route: key?.route ?? null,
  key: key?.key ?? null,
  keyFingerprint: key?.fingerprint ?? null,
  takenBy: key?.id ?? null,
  lockMs: key?.lockMs ?? null,
});
