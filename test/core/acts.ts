import { ProblemError, Secret, uuidV7 } from '#libs/kernel';
import {
  Claims,
  DataKeys,
  IdempotencyKeys,
  OnboardingService,
  OnboardingStore,
  Reseal,
  Retention,
  StepHandler,
  Timelines,
  stateOfStep,
  type KeyToTake,
  type Row,
  type StepEnd,
} from '#libs/onboarding';
import { OtpService } from '#libs/otp';
import { Sealer } from '#libs/platform';
import { aCaller, anOnboarding, inMs } from '#libs/testing';
import { TooEarly } from '#libs/jobs';
import { Challenges } from '../../libs/authenticators/src/challenges.js';
import { StepRunner } from '../../libs/onboarding/src/attempt/run.js';
import { Settlement } from '../../libs/onboarding/src/attempt/settle.js';
import type { AttemptEnd } from '../../libs/onboarding/src/attempt/verdict.js';
import type { RowInStep } from '../../libs/onboarding/src/flow/row.js';
import { Expiry } from '../../libs/onboarding/src/upkeep/expire.js';
import { Probe } from '../../libs/onboarding/src/upkeep/probe.js';
import { Sweeper } from '../../libs/onboarding/src/upkeep/sweep.js';
import { failed } from './core.js';
import type { Side } from './two-sides.js';

/** An onboarding that two processes have read before one of them writes it. */
export interface Seen {
  id: string;
  row: Row;
}

/**
 * Runs one SQL statement of the store, or all statements of one command.
 *
 * @returns the answer to the caller
 */
export type Act = (side: Side, seen: Seen) => Promise<string>;

const OLD_KEY = { id: 'test', key: Buffer.alloc(32, 7) };
const NEW_KEY = { id: 'new', key: Buffer.alloc(32, 8) };
const DAY_MS = 86_400_000;

/** Both processes can still decrypt with the old key, but encrypt with the new key. */
export const ENV = {
  SEALING_KEYS: [NEW_KEY, OLD_KEY].map(({ id, key }) => `${id}:${key.toString('base64')}`).join(','),
  RETENTION_DAYS: '1',
  IDEMPOTENCY_KEEP_MS: '3600000',
};

const terms = { caller: aCaller(), waitMs: 0 };
const PASSKEY = { name: 'p', credentialId: 'credential-1', aaguid: '0', transports: [] };
const CHALLENGE = 'challenge-1';
/** A caller sends this request twice: same idempotency key, different request ids. */
const REQUEST = { caller: 'default', route: 'r', key: 'k', fingerprint: 'f' };
const FIRST_REQUEST = { ...REQUEST, lockMs: 15_000, id: '0198a000-0000-7000-8000-00000000000a' };
const ITS_REPETITION = { ...REQUEST, lockMs: 15_000, id: '0198a000-0000-7000-8000-00000000000b' };

const stateAfter = async (work: Promise<Row>) => (await work).state;

const verify = (side: Side, { id }: Seen, key?: KeyToTake) =>
  stateAfter(
    side.get(OtpService).verify(id, { type: 'code', code: new Secret('123456') }, { ...terms, key }),
  );

const start = (side: Side, { row }: Seen, supersede: boolean) =>
  stateAfter(side.get(OtpService).start({ subject: row.subject, supersede }, terms));

/**
 * Writes the end of the row's attempt. If the outcome is already unknown, the end is a late answer. Then the
 * statement gets the row as it was when the attempt began.
 */
const settle = (end: (side: Side, row: Row) => AttemptEnd): Act => {
  return (side, { row }) => {
    const sinceThen = row.state === 'outcome_unknown' ? 1 : 0;
    const claimed = {
      ...row,
      state: stateOfStep(row.step!),
      doubtAttempt: null,
      version: row.version - sinceThen,
      lastSeq: row.lastSeq - sinceThen,
    } as Row;
    return stateAfter(side.get(Settlement).settle(claimed, end(side, claimed)));
  };
};

function success(_side: Side, row: Row): AttemptEnd {
  const verified: StepEnd = {
    signal: 'otp_verified',
    facts: {
      sealedGrant: Buffer.from('grant'),
      deviceSigning: null,
      sessionExpiresAt: new Date(Date.now() + 630_000),
    },
  };
  const created: StepEnd = { signal: 'authenticators_created', facts: { authenticatorIds: ['passkey-1'] } };
  return { type: 'succeeded', end: row.step === 'verify-otp' ? verified : created, durationMs: 12 };
}

const resolve = (outcome: 'done' | 'not_done'): Act => {
  return (side, { id }) =>
    stateAfter(side.get(OnboardingService).resolve(id, { outcome, reason: 'r' }, terms));
};

const ACTS = {
  start: (side, seen) => start(side, seen, false),
  'superseding start': (side, seen) => start(side, seen, true),
  verify,
  'verify with a key': (side, seen) => verify(side, seen, FIRST_REQUEST),
  'verify with the key again': (side, seen) => verify(side, seen, ITS_REPETITION),
  resend: (side, { id }) => stateAfter(side.get(OtpService).resend(id, {}, terms)),
  'submit passkeys': async (side, { id }) => {
    const { row } = await side.get(Claims).submit({
      id,
      terms,
      signal: 'authenticators_submitted',
      step: 'create-authenticators',
      fingerprint: 'f',
      write: (given) =>
        side.get(OnboardingStore).claimAuthenticators(given, {
          sealedAuthenticators: Buffer.from('sealed'),
          pendingAuthenticators: [PASSKEY],
          challenges: [CHALLENGE],
          maxAuthenticators: 10,
        }),
    });
    return row.state;
  },
  'claim again': async (side, { row }) =>
    (await side.get(Claims).retry(row as RowInStep)) ? 'claimed' : 'not claimed',
  'put off': (side, { id, row }) => {
    const handler = side
      .get(StepHandler)
      .handlers()
      .find(({ job }) => job.name === row.step)!;
    const payload = handler.job.payload.parse({ onboardingId: id });
    return handler.handle(payload).then(
      (done) => (done as { outcome: string }).outcome,
      (error: unknown) => {
        if (error instanceof TooEarly) return 'put off';
        throw error;
      },
    );
  },
  'settle ok': settle(success),
  'settle refused': settle(() => failed('rejected', { status: 400 })),
  'settle unavailable': settle(() => failed('unavailable', { status: 502 })),
  'settle lost': settle(() => failed('no_answer')),
  'settle misconfigured': settle(() => failed('misconfigured', { status: 401 })),
  'take over': (side, { row }) => stateAfter(side.get(StepRunner).takeOver(row)),
  'give up': (side, { row }) => stateAfter(side.get(StepRunner).giveUp(row)),
  'keep a request': async (side, { row }) =>
    (await side.get(OnboardingStore).keepRequests(row, Buffer.from('kept'))) ? 'kept' : 'not kept',
  cancel: (side, { id }) => stateAfter(side.get(OnboardingService).cancel(id, undefined, terms)),
  'resolve done': resolve('done'),
  'resolve not done': resolve('not_done'),
  erase: async (side, { id }) => {
    await side.get(OnboardingService).erase(id, terms);
    return 'erased';
  },
  'retry now': (side, { id }) => stateAfter(side.get(OnboardingService).retry(id, 'r', terms)),
  expire: async (side) => {
    const counts = Object.values(await side.get(Expiry).run());
    return `${counts.reduce((sum, count) => sum + count, 0)} ended`;
  },
  sweep: async (side) => `${(await side.get(Sweeper).run()).woken} woken`,
  probe: async (side) => `${(await side.get(Probe).run()).unparked} unparked`,
  retain: async (side) => `${(await side.get(Retention).run())['erased']} erased`,
  anchor: async (side) => `${(await side.get(Timelines).anchor()).anchored} anchored`,
  reseal: async (side) => `${(await side.get(Reseal).run()).resealed} resealed`,
  'issue a challenge with a key': async (side, { id }) =>
    (await side.get(Challenges).issue(id, { ...terms, key: FIRST_REQUEST })) ? 'issued' : 'not issued',
  'issue a challenge': async (side, { id }) =>
    (await side.get(Challenges).issue(id, terms)) ? 'issued' : 'not issued',
  'count a failure': async (side, { id }) => {
    await side.get(Challenges).countFailure(id, [CHALLENGE]);
    return 'done';
  },
  'forget challenges': async (side) => `${await side.get(Challenges).forget()} forgotten`,
  'forget budgets': async (side) => `${await side.get(OnboardingStore).forgetBudgets()} forgotten`,
  'forget keys': async (side) => `${await side.get(IdempotencyKeys).forget()} forgotten`,
  'keep the answer': async (side) => {
    await side.get(IdempotencyKeys).answer(FIRST_REQUEST, { status: 200, headers: {}, body: '{}' });
    return 'done';
  },
  'release the key': async (side) => {
    await side.get(IdempotencyKeys).release(FIRST_REQUEST);
    return 'done';
  },
} satisfies Record<string, Act>;
export type ActName = keyof typeof ACTS;

export async function heard(act: ActName, side: Side, seen: Seen): Promise<string> {
  try {
    return await (ACTS[act] as Act)(side, seen);
  } catch (error) {
    if (error instanceof ProblemError) return error.code;
    throw error;
  }
}

const PAST = inMs(-1_000);
const open = (step: string, attempt: number) => ({ step, attempt, at: '2026-11-20T10:00:00.000Z' });
const VERIFYING = {
  state: 'otp_submitted',
  step: 'verify-otp',
  attempt: 2,
  submission: 2,
  lease_until: inMs(60_000),
  sealed_otp_code: Buffer.from('code'),
  unresolved: [open('verify-otp', 2)],
};
const WAITING = { ...VERIFYING, lease_until: null, next_attempt_at: PAST, unresolved: [] };
const VERIFIED = {
  state: 'otp_verified',
  attempt: 2,
  submission: 2,
  sealed_grant: Buffer.from('grant'),
  session_ends_at: inMs(600_000),
};
const CREATING = {
  ...VERIFIED,
  state: 'authenticators_submitted',
  step: 'create-authenticators',
  attempt: 3,
  submission: 3,
  lease_until: inMs(60_000),
  sealed_authenticators: Buffer.from('passkeys'),
  pending_authenticators: [PASSKEY],
  unresolved: [open('create-authenticators', 3)],
};
const LOST = { state: 'outcome_unknown', lease_until: null };
const ENDED_LONG_AGO = {
  state: 'cancelled',
  attempt: 2,
  submission: 2,
  unresolved: [open('verify-otp', 2)],
  updated_at: inMs(-2 * DAY_MS),
};

/** The columns of an onboarding on which two statements run at the same time. */
export const SITUATIONS = {
  otp_sent: { otp_resend_at: PAST },
  'otp_sent, the code is over': { otp_resend_at: PAST, otp_expires_at: PAST },
  'otp_sent, idle time is over': { otp_resend_at: PAST, idle_ends_at: PAST },
  'otp_submitted, in flight': VERIFYING,
  'otp_submitted, the lease has lapsed': { ...VERIFYING, lease_until: inMs(-10_000) },
  'otp_submitted, lapsed, the code is over': {
    ...VERIFYING,
    lease_until: inMs(-10_000),
    otp_expires_at: PAST,
  },
  'otp_submitted, a try is due': { ...WAITING, next_attempt_at: inMs(-10_000) },
  'otp_submitted, a try is due, the code is over': {
    ...WAITING,
    next_attempt_at: inMs(-10_000),
    otp_expires_at: PAST,
  },
  'otp_submitted, parked': {
    ...WAITING,
    next_attempt_at: null,
    parked_reason: 'upstream_misconfigured',
    parked_at: PAST,
    parkings: 1,
  },
  otp_verified: VERIFIED,
  'otp_verified, the session is over': { ...VERIFIED, otp_resend_at: PAST, session_ends_at: PAST },
  'authenticators_submitted, in flight': CREATING,
  'outcome_unknown after verify-otp': {
    ...VERIFYING,
    ...LOST,
    otp_resend_at: PAST,
    doubt_attempt: 2,
    sealed_otp_code: null,
  },
  'outcome_unknown after create-authenticators': {
    ...CREATING,
    ...LOST,
    doubt_attempt: 3,
    sealed_authenticators: null,
  },
  'cancelled long ago, in doubt': ENDED_LONG_AGO,
} satisfies Record<string, Record<string, unknown>>;
export type Situation = keyof typeof SITUATIONS;

/** Of a process that does not have the new key yet. */
const OLD_DATA_KEYS = new DataKeys(new Sealer([OLD_KEY]));

export async function begin(side: Side, situation: Situation): Promise<Seen> {
  const { dataSource } = side;
  const id = uuidV7(Date.now());
  const { patch } = OLD_DATA_KEYS.fresh(id);
  await anOnboarding(dataSource, {
    id,
    sealed_data_key: patch.sealedDataKey,
    data_key_id: patch.dataKeyId,
    ...SITUATIONS[situation],
  });
  const row = (await side.get(OnboardingStore).find(id))!;
  const { integration, subjectKey } = row;
  await dataSource.query(
    `INSERT INTO otp_budgets (integration, subject_key, sends, wrong_codes)
     VALUES ($1, $2, ARRAY[clock_timestamp() - interval '25 hours'], '{}')
     ON CONFLICT (integration, subject_key) DO UPDATE SET sends = excluded.sends`,
    [integration, subjectKey],
  );
  await dataSource.query(
    `INSERT INTO webauthn_challenges (onboarding_id, challenge, expires_at)
     VALUES ($1, $2, clock_timestamp() + interval '5 minutes'),
       ($1, 'old', clock_timestamp() - interval '1 second')`,
    [id, CHALLENGE],
  );
  return { id, row };
}
