/**
 * The core as the tables drive it. The input is the end of an attempt, a command or the time; the output is a row with its
 * events, or a refusal. A rebuilt core replaces this file and `meanings.ts`; the tables and their output stay.
 */
import { AuthenticatorsService } from '#libs/authenticators';
import { ProblemError, Secret, type Caller } from '#libs/kernel';
import {
  Claims,
  OnboardingService,
  Steps,
  isEnded,
  throwIfRefused,
  type Clause,
  type Patch,
  type Row,
  type StepName,
} from '#libs/onboarding';
import { OtpService } from '#libs/otp';
import { aCall, aCaller, aPasskeyPolicy, aRow, testConfig } from '#libs/testing';
import {
  UpstreamError,
  type FailureClass,
  type Grant,
  type ProviderKind,
  type RejectionReason,
  type UpstreamProvider,
} from '#libs/upstream';
import { CreateAuthenticatorsStep } from '../../libs/authenticators/src/create-authenticators.step.js';
import { Credentials } from '../../libs/authenticators/src/credentials.js';
import { asOfNow } from '../../libs/onboarding/src/expiry.js';
import type { NewEvent } from '../../libs/onboarding/src/onboarding-event.entity.js';
import type { Change } from '../../libs/onboarding/src/onboarding.store.js';
import { Bindings } from '../../libs/onboarding/src/statement.js';
import { decide, type Circumstances, type Decision } from '../../libs/onboarding/src/retry-law.js';
import { SEALED, needs } from '../../libs/onboarding/src/secrets.js';
import { Verdicts, type AttemptEnd } from '../../libs/onboarding/src/verdict.js';
import { OtpBudget } from '../../libs/otp/src/otp-budget.js';
import { SendOtpStep } from '../../libs/otp/src/send-otp.step.js';
import { VerifyOtpStep } from '../../libs/otp/src/verify-otp.step.js';
import { readValue } from './meanings.js';
import type { Outcome } from './words.js';

export type { AttemptEnd };

/** The shortest wait of the law: the wait has a table of its own. */
const NO_JITTER = { next: () => 0 };
const STILL = { nowMs: () => 0, monotonicMs: () => 0 };
/** The tables print times and limits by these settings. */
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

const CLAUSES: Readonly<Record<string, string>> = {
  send_charged: 'a send is charged',
  try_charged: 'a try is charged',
  send_refunded: 'the send is given back',
  try_refunded: 'the try is given back',
  credentials_reserved: 'passkeys are reserved',
  credentials_confirmed: 'reserved passkeys are registered',
  credentials_released: 'reserved passkeys are free again',
  challenges_used: 'challenges are used up',
};

/** What the end of an attempt does to the row that its claim returned. */
export async function endOfAttempt(row: Row, end: AttemptEnd | 'success'): Promise<Outcome> {
  const { verdicts, steps } = coreOver(new OneRow(row));
  const ended = end === 'success' ? await succeeded(steps, row) : end;
  const { change, answer, retryInMs } = verdicts.of(row, ended);
  const outcome = applied(row, change);
  const heard = told(outcome.after, row.step!);
  return {
    ...outcome,
    class: ended.type === 'failed' ? ended.error.failure : ended.type === 'succeeded' ? 'ok' : 'not_sent',
    also: [
      heard && `told ${heard}`,
      retryInMs === null ? null : `woken in ${retryInMs} ms`,
      answer && (answer === change.events.at(1)?.type ? 'also if late' : `if late ${answer}`),
    ],
  };
}

/** What the time does to a due row: {@link asOfNow} moves it, and each move is an event. */
export function timesWork(row: Row): Outcome {
  const after = asOfNow(row);
  const due = [row.otpExpiresAt, row.sessionEndsAt, row.leaseUntil, row.idleEndsAt, row.lifeEndsAt]
    .filter((at) => at !== null && at <= row.now)
    .toSorted((one, other) => one!.getTime() - other!.getTime());
  const events: NewEvent[] = [];
  // As it was at each of the instants that are over: one after the other.
  for (let seen = row, n = 0; n < due.length; n++) {
    const next = { ...asOfNow({ ...seen, now: due[n]! }), now: row.now };
    if (next.version > seen.version) events.push({ type: signalTo(next), actor: 'service' });
    seen = next;
  }
  const wiped = SEALED.filter((field) => row[field] !== null && !needs(after.state, field));
  return {
    before: row,
    after: { ...after, ...Object.fromEntries(wiped.map((field) => [field, null])) },
    events: [...events, ...(wiped.length > 0 ? [{ type: 'secrets_wiped', actor: 'service' } as const] : [])],
    limits: [],
  };
}

const signalTo = ({ state, reason }: Row) =>
  state === 'otp_needed'
    ? (reason as 'otp_expired' | 'session_expired')
    : state === 'outcome_unknown'
      ? 'outcome_lost'
      : 'expired';

/** What the retry law says of the last of a submission's calls. @param random in [0, 1), for the jitter. */
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

/** What prevents or allows a command, besides the row. */
export interface Surroundings {
  caller?: Caller;
  versions?: number[];
  /** Instants of the subject's budget. */
  usage?: { sends: Date[]; wrongCodes: Date[] };
}

/** @returns what a command does to the row, or its refusal. */
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

/** An end of a call that upstream or the network has caused. */
export const failed = (
  failure: FailureClass,
  more: { status?: number; reason?: RejectionReason; unsent?: true; lapsed?: true } = {},
): AttemptEnd => {
  const error = new UpstreamError(failure, {
    detail: `a ${failure} of the tables`,
    evidence: {
      bytesSent: failure !== 'not_sent' && !more.unsent,
      headersSeen: more.status !== undefined,
      status: more.status ?? null,
      durationMs: more.lapsed ? null : 12,
    },
    ...(more.reason && { reason: more.reason }),
  });
  return more.lapsed ? { type: 'failed', error, lapsed: true } : { type: 'failed', error, durationMs: 12 };
};

/** The answer to a caller that waits for the step; nothing if the onboarding says it all. */
export function told(row: Row, step: StepName): string | null {
  try {
    throwIfRefused(row, step);
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

/** The parts of the core that decide, wired by hand over one row in memory. */
function coreOver(store: OneRow) {
  const steps = new Steps();
  const budget = new OtpBudget(store as never, { register: () => undefined } as never, config);
  const sending = new SendOtpStep(budget, steps, config);
  const credentials = new Credentials(store as never);
  steps.register(sending);
  steps.register(new VerifyOtpStep(budget, steps, DATA_KEYS as never, config));
  steps.register(new CreateAuthenticatorsStep(credentials, steps, DATA_KEYS as never));
  const verdicts = new Verdicts(steps, config, NO_JITTER);

  const woken: string[] = [];
  const jobs = { wake: (job: { name: string }) => Promise.resolve(woken.push(job.name)) };
  const expiry = { runFor: () => Promise.resolve(store.expire()) };
  const outcome = { of: ({ row }: { row: Row }) => Promise.resolve(row) };
  const fingerprint = { of: () => 'print' };
  const claims = new Claims(store as never, steps, expiry as never, config, STILL);
  const onboardings = new OnboardingService(
    store as never,
    claims,
    outcome as never,
    fingerprint as never,
    expiry as never,
    jobs as never,
    steps,
    SUBJECTS as never,
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
    config,
    STILL,
  );
  const challenges = {
    find: async () => ({ row: await store.find(), outstanding: new Set() }),
    charge: () => Promise.resolve(new Set()),
    use: (): Clause => ({ name: 'challenges_used', required: true, write: () => '' }),
  };
  const authenticators = new AuthenticatorsService(
    claims,
    outcome as never,
    onboardings,
    INTEGRATIONS as never,
    challenges as never,
    credentials,
    fingerprint as never,
    DATA_KEYS as never,
  );
  return { steps, verdicts, otp, onboardings, authenticators, woken };
}

/**
 * Replaces the store, for one row. It refuses a change at first, so that the core gives its reason. If the core finds none,
 * the change is written. The conditions in SQL are not checked here: see `interleavings.int-spec.ts`.
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

  find(): Promise<Row> {
    return Promise.resolve(this.#row);
  }

  findLive(): Promise<Row | null> {
    return Promise.resolve(isEnded(this.#row.state) ? null : this.#row);
  }

  events(): Promise<NewEvent[]> {
    return Promise.resolve([]);
  }

  query(): Promise<unknown[]> {
    return Promise.resolve([{ ...this.usage, now: this.#row.now }]);
  }

  expire(): void {
    const expired = asOfNow(this.#row);
    this.#refuses ||= expired !== this.#row;
    this.#row = expired;
  }

  change(change: Omit<Change, 'id' | 'where'>): Promise<Row | null> {
    if (this.#refuses) {
      this.#refuses = false;
      return Promise.resolve(null);
    }
    this.written = applied(this.#row, change);
    return Promise.resolve(this.written.after);
  }

  create(row: Patch, events: NewEvent[], clauses: Clause[]): Promise<Row | 'live' | 'refused'> {
    if (!isEnded(this.#row.state) && !clauses.some(({ name }) => name === 'superseded')) {
      return Promise.resolve('live');
    }
    if (this.#refuses) {
      this.#refuses = false;
      return Promise.resolve('refused');
    }
    this.written = applied(BLANK, { patch: row, events, clauses });
    return Promise.resolve(this.written.after);
  }
}

/** Nothing was there before a start. */
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

/** The row after a change, with every value computed. */
function applied(before: Row, change: Omit<Change, 'id' | 'where'>): Outcome {
  const { patch, events, clauses = [] } = change;
  const read = Object.entries(patch).map(([member, value]) => [member, readValue(value, before)] as const);
  const columns = Object.fromEntries(read.map(([member, { value }]) => [member, value])) as Partial<Row>;
  const moved = columns.state !== undefined && columns.state !== before.state;
  return {
    before,
    after: { ...before, version: before.version + (moved ? 1 : 0), ...columns },
    notes: Object.fromEntries(read.flatMap(([member, { note }]) => (note ? [[member, note]] : []))),
    events,
    limits: clauses.flatMap(clauseWords),
  };
}

function clauseWords(clause: Clause): string[] {
  if (clause.name === 'superseded') return [];
  if (clause.name === 'superseded_logged') {
    const bindings = new Bindings();
    clause.write(bindings, '');
    return [`the live one is cancelled (${(bindings.values[0] as string[]).join('; ')})`];
  }
  const words = CLAUSES[clause.name];
  if (!words) throw new Error(`test/core/core.ts does not know the clause "${clause.name}"`);
  return [words];
}

async function succeeded(steps: Steps, row: Row): Promise<AttemptEnd> {
  const provider = PROVIDERS[row.provider as ProviderKind] as unknown as UpstreamProvider;
  const end = await steps.get(row.step!).call(provider, aCall(), row);
  return { type: 'succeeded', end, durationMs: 12 };
}

/** A sealed value only has to look different from one that is not sealed. */
const SEALER = {
  seal: (_place: unknown, text: string) => Buffer.from(`anew ${text}`),
  open: (_place: unknown, sealed: Buffer) => sealed.toString().replace(/^anew /, ''),
};
const DATA_KEYS = {
  handOver: () => undefined,
  of: () => SEALER,
  fresh: () => ({ patch: { sealedDataKey: Buffer.from('key'), dataKeyId: 'test' }, sealer: SEALER }),
};
const SUBJECTS = {
  keyOf: () => 'a/u',
  columnsOf: () => ({ subject: aRow().subject, subjectKey: 'a/u', sealedContact: null }),
  shown: (row: Row) => row,
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
const PROVIDERS = {
  byzantine: providerOf('byzantine'),
  turnkey: providerOf('turnkey'),
  'turnkey-auth-proxy': providerOf('turnkey-auth-proxy'),
} satisfies Record<ProviderKind, object>;

const INTEGRATION = {
  name: 'byzantine',
  provider: PROVIDERS.byzantine,
  config: { passkeys: aPasskeyPolicy() },
};
const INTEGRATIONS = { find: () => INTEGRATION, only: () => INTEGRATION, all: () => [INTEGRATION] };
