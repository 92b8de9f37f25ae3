/** Runs the service's decisions on one row in memory, for the recorded tables in `tables`. */
import { AuthenticatorsService } from '#libs/authenticators';
import { ProblemError, Secret, type Caller } from '#libs/kernel';
import {
  Claims,
  OnboardingService,
  Steps,
  isEnded,
  throwIfFailed,
  type Row,
  type StepName,
} from '#libs/onboarding';
import { OtpService } from '#libs/otp';
import { aClaim, aCall, aCaller, aPasskeyPolicy, aRow, testConfig } from '#libs/testing';
import {
  UpstreamError,
  type FailureClass,
  type Grant,
  type ProviderKind,
  type RejectionReason,
  type UpstreamProvider,
} from '#libs/upstream';
import { CreateAuthenticatorsStep } from '../../libs/authenticators/src/create-authenticators.step.js';
import { decide, type Circumstances, type Decision } from '../../libs/onboarding/src/attempt/retry-law.js';
import { Verdicts, type AttemptEnd } from '../../libs/onboarding/src/attempt/verdict.js';
import { Erasure } from '../../libs/onboarding/src/commands/erase.js';
import type { NewEvent } from '../../libs/onboarding/src/flow/events.js';
import { after, asOfNow, move, movesOfTime, type Moved } from '../../libs/onboarding/src/flow/move.js';
import type { Started } from '../../libs/onboarding/src/store/onboarding.store.js';
import { OtpBudget } from '../../libs/otp/src/otp-budget.js';
import { SendOtpStep } from '../../libs/otp/src/send-otp.step.js';
import { VerifyOtpStep } from '../../libs/otp/src/verify-otp.step.js';
import { firstRow } from './first-row.js';
import type { Outcome } from './words.js';

export type { AttemptEnd };

const NO_JITTER = { next: () => 0 };
const STILL = { nowMs: () => 0, monotonicMs: () => 0 };
export const config = testConfig({
  CALL_TIMEOUT_MS: '10000',
  LEASE_MS: '30000',
  RETRY_FLOOR_MS: '250',
  RETRY_BASE_MS: '1000',
  RETRY_CAP_MS: '30000',
  RETRY_AFTER_MAX_MS: '120000',
  OTP_LIFE_MS: '300000',
  OTP_TRIES: '3',
  OTP_WRONG_PER_ONBOARDING: '6',
  OTP_WRONG_PER_DAY: '15',
  OTP_RESEND_COOLDOWN_MS: '60000',
  OTP_SENDS_PER_WINDOW: '3',
  OTP_SENDS_PER_DAY: '10',
  SESSION_MARGIN_MS: '30000',
  ONBOARDING_IDLE_MS: '1800000',
  ONBOARDING_LIFE_MS: '86400000',
});

/** @returns the changes to `row` if its attempt ends as `end` says. */
export async function endOfAttempt(row: Row, end: AttemptEnd | 'success'): Promise<Outcome> {
  const { verdicts, steps } = coreOver(new OneRow(row));
  const ended = end === 'success' ? await succeeded(steps, row) : end;
  const { moved, answer, retryInMs } = verdicts.on(row, ended);
  const outcome = settled(row, moved);
  const heard = told(outcome.after, row.step!);
  return {
    ...outcome,
    class: ended.type === 'failed' ? ended.error.failure : ended.type === 'succeeded' ? 'ok' : 'not_sent',
    also: [
      heard && `answers ${heard}`,
      retryInMs === null ? null : `woken in ${retryInMs} ms`,
      answer && (answer === moved.events.at(1)?.type ? 'also if late' : `if late: ${answer}`),
    ],
  };
}

/** @returns the changes to a row whose deadlines have passed. */
export function timesWork(row: Row): Outcome {
  const moves = movesOfTime(row);
  return {
    before: row,
    after: moves.at(-1)?.to ?? row,
    events: moves.flatMap(({ moved }) => moved.events),
    limits: [],
  };
}

/**
 * @param random in [0, 1), for the jitter.
 * @returns the decision of the retry law (the table of rules for retries) after a step's latest call.
 */
export const decision = (at: Circumstances, random = 0): Decision => decide(at, config, random);

export const COMMANDS = [
  'start',
  'start, superseding',
  'resend',
  'verify',
  'submit passkeys',
  'cancel',
  'resolve as done',
  'resolve as not done',
  'retry now',
  'erase',
] as const;
export type Command = (typeof COMMANDS)[number];

export interface Surroundings {
  caller?: Caller;
  versions?: number[];
  /** The times of the subject's sends and wrong codes. */
  usage?: { sends: Date[]; wrongCodes: Date[] };
}

/** @returns the changes that a command makes to the row, or its refusal. */
export async function command(
  row: Row,
  name: Command,
  surroundings: Surroundings = {},
): Promise<Outcome | string> {
  const store = new OneRow(row, surroundings.usage);
  const { otp, authenticators, onboardings, woken } = coreOver(store);
  const terms = {
    caller: surroundings.caller ?? aCaller(row.caller),
    waitMs: 0,
    versions: surroundings.versions,
  };
  const { id } = row;
  const given: Record<Command, () => Promise<unknown>> = {
    start: () => otp.start({ subject: {} }, terms),
    'start, superseding': () => otp.start({ subject: {}, supersede: true }, terms),
    resend: () => otp.resend(id, {}, terms),
    verify: () => otp.verify(id, { type: 'code', code: new Secret('123456') }, terms),
    'submit passkeys': () => authenticators.submit(id, { authenticators: [] }, terms),
    cancel: () => onboardings.cancel(id, undefined, terms),
    'resolve as done': () => onboardings.resolve(id, { outcome: 'done', reason: 'r' }, terms),
    'resolve as not done': () => onboardings.resolve(id, { outcome: 'not_done', reason: 'r' }, terms),
    'retry now': () => onboardings.retry(id, 'r', terms),
    erase: () => onboardings.erase(id, terms),
  };
  try {
    await given[name]();
  } catch (error) {
    if (error instanceof ProblemError) return problemWords(error);
    throw error;
  }
  if (!store.written) return 'done already: nothing is written';
  return { ...store.written, also: woken.map((job) => `the job ${job} is woken`) };
}

export const failed = (
  failure: FailureClass,
  more: { status?: number; reason?: RejectionReason; unsent?: true; lapsed?: true } = {},
): AttemptEnd => {
  const error = new UpstreamError(failure, {
    detail: `the call failed: ${failure}`,
    evidence: {
      bytesSent: failure !== 'not_sent' && !more.unsent,
      headersSeen: more.status !== undefined,
      status: more.status ?? null,
      durationMs: more.lapsed ? null : 0,
    },
    ...(more.reason && { reason: more.reason }),
  });
  return more.lapsed ? { type: 'failed', error, lapsed: true } : { type: 'failed', error, durationMs: 0 };
};

/** @returns the problem for a caller that waits for a step; null if the caller gets the onboarding. */
export function told(row: Row, step: StepName): string | null {
  try {
    throwIfFailed(row, step);
    return null;
  } catch (error) {
    if (error instanceof ProblemError) return problemWords(error);
    throw error;
  }
}

function problemWords({ code, status, retryable, retryAfterS, errors, extensions }: ProblemError): string {
  const { nextAction, attemptsLeft } = extensions as { nextAction?: { type: string }; attemptsLeft?: number };
  const words = [
    `${status} ${code}`,
    ...(retryable ? ['retryable'] : []),
    ...(retryAfterS === undefined ? [] : [`Retry-After ${retryAfterS}`]),
    ...(errors ?? []).map((error) => `${error.pointer} ${error.code}`),
    ...(nextAction ? [`next ${nextAction.type}`] : []),
    ...(attemptsLeft === undefined ? [] : [`attempts left ${attemptsLeft}`]),
  ];
  return words.join(', ');
}

function coreOver(store: OneRow) {
  const steps = new Steps();
  const usage = { run: () => Promise.resolve([store.used]) };
  const budget = new OtpBudget(usage as never, { register: () => undefined } as never, config);
  const sending = new SendOtpStep(budget, steps, config);
  steps.register(sending);
  steps.register(new VerifyOtpStep(budget, steps, DATA_KEYS as never, config));
  steps.register(new CreateAuthenticatorsStep(steps, DATA_KEYS as never));
  const verdicts = new Verdicts(steps, config, NO_JITTER);

  const woken: string[] = [];
  const jobs = { wake: (job: { name: string }) => Promise.resolve(woken.push(job.name)) };
  const expiry = {
    runFor: () => Promise.resolve(store.expire()),
    upToDate: () => {
      store.expire();
      return store.find();
    },
  };
  const outcome = { runAndWait: ({ row }: { row: Row }) => Promise.resolve(row) };
  const fingerprint = { compute: () => 'print' };
  const claims = new Claims(store as never, steps, expiry as never, {} as never, STILL);
  const onboardings = new OnboardingService(
    store as never,
    claims,
    outcome as never,
    fingerprint as never,
    expiry as never,
    jobs as never,
    SUBJECTS as never,
    new Erasure(store as never, {} as never),
    config,
  );
  const otp = new OtpService(
    claims,
    outcome as never,
    store as never,
    onboardings,
    steps,
    sending,
    INTEGRATIONS as never,
    fingerprint as never,
    DATA_KEYS as never,
    SUBJECTS as never,
    SEALER as never,
    config,
    STILL,
  );
  const challenges = { whileChecking: (_: string, work: (ahead: number) => unknown) => work(0) };
  const authenticators = new AuthenticatorsService(
    store as never,
    claims,
    outcome as never,
    INTEGRATIONS as never,
    challenges as never,
    NO_CREDENTIALS as never,
    fingerprint as never,
    DATA_KEYS as never,
  );
  return { steps, verdicts, otp, onboardings, authenticators, woken };
}

/**
 * A store with one row in memory. It refuses the first write, so that the service looks for a reason to
 * refuse the command. If the service finds none, it writes again, and this write succeeds.
 */
class OneRow {
  written: Outcome | null = null;
  #row: Row;
  #refuses = true;

  constructor(
    row: Row,
    private readonly usage: NonNullable<Surroundings['usage']> = { sends: [], wrongCodes: [] },
  ) {
    this.#row = row;
  }

  get used() {
    return { ...this.usage, now: this.#row.now };
  }

  find(): Promise<Row> {
    return Promise.resolve(this.#row);
  }

  findForPasskeys() {
    return Promise.resolve({ row: this.#row, outstanding: new Map(), registered: [] });
  }

  newClaim() {
    return Promise.resolve(aClaim());
  }

  isLate() {
    return Promise.resolve(false);
  }

  findLatest() {
    return Promise.resolve({ id: this.#row.id, row: this.#row });
  }

  events(): Promise<NewEvent[]> {
    return Promise.resolve([]);
  }

  expire(): void {
    const expired = asOfNow(this.#row);
    this.#refuses ||= expired !== this.#row;
    this.#row = expired;
  }

  start(
    started: Started,
    _claim: object,
    _key: undefined,
    { superseded }: { superseded?: { moved: Moved } | null },
  ) {
    if (!isEnded(this.#row.state) && !superseded) return Promise.resolve(null);
    return this.#write(() => ({
      before: BLANK,
      after: firstRow(started, this.#row.now, config),
      events: [
        { type: 'created', actor: 'caller' },
        { type: 'attempt_started', actor: 'service' },
      ],
      limits: [
        ...(superseded
          ? [`the live one is cancelled (${superseded.moved.events.map(({ type }) => type).join('; ')})`]
          : []),
        'a send is charged',
      ],
    }));
  }

  claimSend(
    { fingerprint }: { fingerprint: string },
    { events, sealedRequests, lost }: { events: NewEvent[]; sealedRequests?: Buffer; lost?: object },
  ) {
    const submitted = { fingerprint, ...(sealedRequests && { sealedRequests }) };
    return this.#claim('a send is charged', {}, () =>
      lost
        ? move(
            this.#row,
            'resolved_not_done',
            { decision: events[0]!, ...byOf(events), ...submitted },
            this.#at,
          )
        : move(this.#row, 'otp_resend_asked', submitted, this.#at),
    );
  }

  claimVerify({ fingerprint }: { fingerprint: string }, sealedOtpCode: Buffer) {
    const notes = { otpResendAt: 'or later by the budgets, +1 try counted' };
    return this.#claim('a try is charged', notes, () =>
      move(this.#row, 'otp_submitted', { fingerprint, sealedOtpCode }, this.#at),
    );
  }

  claimAuthenticators(
    { fingerprint }: { fingerprint: string },
    { sealedAuthenticators }: { sealedAuthenticators: Buffer },
  ) {
    const facts = { fingerprint, sealedAuthenticators, pendingAuthenticators: [] };
    return this.#claim('challenges are used up', {}, () =>
      move(this.#row, 'authenticators_submitted', facts, this.#at),
    );
  }

  command = (seen: Row, moved: Moved) => this.#write(() => applied(seen, moved));
  erase = (seen: Row, moved: Moved) => this.#write(() => applied(seen, moved));

  #claim(limits: string, notes: Outcome['notes'] & object, claimed: () => Moved): Promise<Row | null> {
    return this.#write(() => {
      const outcome = applied(this.#row, claimed());
      // The printed row already shows the data of `attempt_started`.
      const events = outcome.events.map((event) =>
        event.type === 'attempt_started' ? { ...event, data: {} } : event,
      );
      return { ...outcome, events, notes, limits: [limits] };
    });
  }

  get #at() {
    return { now: this.#row.now, settings: config };
  }

  #write(outcome: () => Outcome): Promise<Row | null> {
    if (this.#refuses) {
      this.#refuses = false;
      return Promise.resolve(null);
    }
    this.written = outcome();
    return Promise.resolve(this.written.after);
  }
}

const byOf = (events: NewEvent[]) => {
  const { by } = (events[0]?.data ?? {}) as { by?: string };
  return by === undefined ? {} : { by };
};

/** Stands for the missing row before a start, so that the table shows how the new row differs. */
const BLANK = aRow({
  caller: '',
  integration: '',
  provider: '',
  subject: {},
  subjectKey: '',
  idleEndsAt: aRow().now,
  lifeEndsAt: aRow().now,
  state: 'otp_requested',
  version: 1,
  lastSeq: 0,
  attempt: 0,
  submission: 0,
  otpHandle: null,
  otpSends: 0,
  otpResendAt: null,
  otpSentAt: null,
  otpExpiresAt: null,
  otpTriesLeft: 0,
});

const WORDS_OF = {
  send: 'the send is given back',
  try: 'the try is given back',
} as const;

function applied(before: Row, moved: Moved): Outcome {
  return {
    before,
    after: after(before, moved, before.now),
    events: moved.events,
    limits: moved.refund ? [WORDS_OF[moved.refund]] : [],
  };
}

function settled(before: Row, moved: Moved): Outcome {
  const { patch, refund } = moved;
  const counted = refund ? `, -1 ${refund} counted` : '';
  const movesOn = patch.state !== undefined;
  const isRecomputed = before.step === 'init-otp' ? movesOn : refund === 'try';
  const isCapped =
    before.step === 'verify-otp' && patch.state === 'otp_sent' && patch.lastResult?.code !== 'otp_locked';
  return {
    ...applied(before, moved),
    notes: {
      ...(isRecomputed && { otpResendAt: `or later by the budgets${counted}` }),
      ...(isCapped && { otpTriesLeft: 'none where the day has none' }),
    },
  };
}

const NO_CREDENTIALS = { taken: () => Promise.resolve(new Set()) };

async function succeeded(steps: Steps, row: Row): Promise<AttemptEnd> {
  const provider = providerOf(row.provider as ProviderKind) as unknown as UpstreamProvider;
  const end = await steps.get(row.step!).call(provider, aCall(), row);
  return { type: 'succeeded', end, durationMs: 0 };
}

const SEALER = {
  seal: (_place: unknown, text: string) => Buffer.from(`sealed ${text}`),
  open: (_place: unknown, sealed: Buffer) => sealed.toString().replace(/^sealed /, ''),
};
const DATA_KEYS = {
  handOver: () => undefined,
  sealerOf: () => SEALER,
  fresh: () => ({ patch: { sealedDataKey: Buffer.from('key'), dataKeyId: 'test' }, sealer: SEALER }),
};
const SUBJECTS = {
  keyOf: () => 'a/u',
  columnsOf: () => ({ subject: aRow().subject, subjectKey: 'a/u', sealedContact: null }),
  withContact: (row: Row) => row,
};

const SESSION_ENDS = new Date(aRow().now.getTime() + 900_000);
const GRANTS: Record<ProviderKind, Grant> = {
  byzantine: { type: 'upstream-session', sessionId: new Secret('s'), expiresAt: SESSION_ENDS },
  turnkey: {
    type: 'session-key',
    organizationId: 'o',
    userId: 'u',
    privateKey: new Secret('k'),
    expiresAt: SESSION_ENDS,
  },
  'turnkey-auth-proxy': {
    type: 'device-key',
    organizationId: 'o',
    userId: 'u',
    publicKey: 'p',
    verificationToken: new Secret('t'),
    loginMessage: 'm',
    expiresAt: SESSION_ENDS,
  },
};

const providerOf = (kind: ProviderKind) => ({
  kind,
  custody: 'provider',
  initOtp: () => Promise.resolve({ handle: 'otp-2' }),
  verifyOtp: () => Promise.resolve(GRANTS[kind]),
  createAuthenticators: () => Promise.resolve(['passkey-1']),
  parseSubject: () => ({ subject: aRow().subject, key: 'a/u', personal: [] }),
  parseOtpChoice: () => ({ choice: {}, once: {} }),
});

const INTEGRATION = {
  name: 'byzantine',
  provider: providerOf('byzantine'),
  config: { passkeys: aPasskeyPolicy() },
};
const INTEGRATIONS = { find: () => INTEGRATION, only: () => INTEGRATION, all: () => [INTEGRATION] };
