import type { Columns } from '#libs/onboarding';
import { aCaller, after } from '#libs/testing';
import { COMMANDS, command, timesWork, type Surroundings } from './core.js';
import { AN_EARLIER_TRY, LOST, UNDER_WAY, VERIFIED, openAttempt, rowAt } from './rows.js';
import { grouped, outcomeWords, type Cell } from './words.js';

const PAST = after(-1_000);
/** Too soon for a call, which may take ten seconds. */
const SOON = after(9_000);
const RESTING = { leaseUntil: null, nextAttemptAt: after(5_000) };
const PARKED = { leaseUntil: null, parkedReason: 'upstream_misconfigured', parkedAt: PAST } as const;
const MAY_RESEND = { otpResendAt: PAST };
const NEEDED = { state: 'otp_needed', otpHandle: null, otpExpiresAt: null, otpTriesLeft: 0 } as const;
const ENDED = { otpHandle: null, otpExpiresAt: null, otpTriesLeft: 0 } as const;
const RECORDS = { externalRef: 'r', metadata: { plan: 'pro' }, fingerprint: 'before' };

const used = (sends: number, wrong: number) => ({
  usage: { sends: Array(sends).fill(after(-60_000)), wrongCodes: Array(wrong).fill(after(-60_000)) },
});

const SITUATIONS: Readonly<Record<string, [Partial<Columns>, Surroundings?]>> = {
  'otp_requested, in flight': [UNDER_WAY['init-otp']],
  'otp_requested, waits for a try': [{ ...UNDER_WAY['init-otp'], ...RESTING }],
  'otp_requested, parked': [{ ...UNDER_WAY['init-otp'], ...PARKED }],
  'otp_requested, idle time over': [{ ...UNDER_WAY['init-otp'], ...RESTING, idleEndsAt: PAST }],
  otp_sent: [{}],
  'otp_sent, cooldown over': [MAY_RESEND],
  'otp_sent, no try left': [{ otpTriesLeft: 0 }],
  'otp_sent, the code ends soon': [{ ...MAY_RESEND, otpExpiresAt: SOON }],
  'otp_sent, the code is over': [{ ...MAY_RESEND, otpExpiresAt: PAST }],
  'otp_sent, life ends soon': [{ ...MAY_RESEND, lifeEndsAt: SOON }],
  'otp_sent, life is over': [{ ...MAY_RESEND, lifeEndsAt: PAST }],
  'otp_sent, no send left': [MAY_RESEND, used(3, 0)],
  'otp_sent, no wrong code left today': [MAY_RESEND, used(0, 15)],
  'otp_sent, another version is named': [MAY_RESEND, { versions: [1] }],
  'otp_sent, its version is named': [MAY_RESEND, { versions: [2] }],
  'otp_sent, another caller': [MAY_RESEND, { caller: aCaller('other', ['onboardings:write']) }],
  'otp_sent, an operator who reads': [MAY_RESEND, { caller: aCaller('desk', ['operations:read']) }],
  'otp_sent, an operator who writes': [MAY_RESEND, { caller: aCaller('desk', ['operations:write']) }],
  'otp_sent, an older doubt': [
    {
      ...MAY_RESEND,
      attempt: 3,
      unresolved: [openAttempt('verify-otp', 1), openAttempt('create-authenticators', 2)],
    },
  ],
  'otp_needed, otp_expired': [{ ...NEEDED, ...MAY_RESEND, reason: 'otp_expired' }],
  'otp_needed, session_expired': [{ ...NEEDED, ...MAY_RESEND, reason: 'session_expired' }],
  'otp_needed, send_failed': [{ ...NEEDED, ...MAY_RESEND, reason: 'send_failed' }],
  'otp_needed, cooldown': [{ ...NEEDED, reason: 'send_failed' }],
  'otp_submitted, in flight': [{ ...UNDER_WAY['verify-otp'], attempt: 2, submission: 2 }],
  'otp_submitted, waits for a try': [{ ...UNDER_WAY['verify-otp'], ...RESTING }],
  'otp_submitted, parked': [{ ...UNDER_WAY['verify-otp'], ...PARKED }],
  'otp_submitted, the lease has lapsed': [{ ...UNDER_WAY['verify-otp'], leaseUntil: PAST }],
  'otp_submitted, in doubt, the code is over': [
    {
      ...UNDER_WAY['verify-otp'],
      ...RESTING,
      ...MAY_RESEND,
      otpExpiresAt: PAST,
      doubtAttempt: 1,
      unresolved: [openAttempt('verify-otp', 1)],
    },
  ],
  otp_verified: [VERIFIED],
  'otp_verified, the session ends soon': [{ ...VERIFIED, sessionEndsAt: SOON }],
  'otp_verified, the session is over': [{ ...VERIFIED, ...MAY_RESEND, sessionEndsAt: PAST }],
  'authenticators_submitted, in flight': [UNDER_WAY['create-authenticators']],
  'authenticators_submitted, waits for a try': [{ ...UNDER_WAY['create-authenticators'], ...RESTING }],
  'outcome_unknown after verify-otp': [{ ...LOST['verify-otp'], ...MAY_RESEND }],
  'outcome_unknown after verify-otp, life ends soon': [
    { ...LOST['verify-otp'], ...MAY_RESEND, lifeEndsAt: SOON },
  ],
  'outcome_unknown after create-authenticators': [{ ...LOST['create-authenticators'], ...MAY_RESEND }],
  'outcome_unknown after create-authenticators, the session is over': [
    { ...LOST['create-authenticators'], ...MAY_RESEND, sessionEndsAt: PAST },
  ],
  'outcome_unknown after create-authenticators, idle': [
    { ...LOST['create-authenticators'], ...MAY_RESEND, idleEndsAt: PAST },
  ],
  completed: [{ ...ENDED, ...RECORDS, state: 'completed' }],
  failed: [
    {
      ...ENDED,
      ...RECORDS,
      state: 'failed',
      failure: { code: 'otp_locked', detail: 'd', step: 'verify-otp', upstreamStatus: 400, at: 'then' },
    },
  ],
  expired: [{ ...ENDED, ...RECORDS, state: 'expired' }],
  cancelled: [{ ...ENDED, ...RECORDS, state: 'cancelled' }],
  'cancelled, a doubt is open': [
    { ...ENDED, ...RECORDS, state: 'cancelled', attempt: 3, unresolved: [openAttempt('verify-otp', 3)] },
  ],
  'cancelled, a passkey is in doubt': [
    {
      ...ENDED,
      ...RECORDS,
      state: 'cancelled',
      attempt: 3,
      submission: 3,
      pendingAuthenticators: LOST['create-authenticators'].pendingAuthenticators!,
      unresolved: [openAttempt('create-authenticators', 3)],
    },
  ],
  erased: [{ ...ENDED, state: 'cancelled', subject: {}, sealedDataKey: null, erasedAt: PAST }],
};

/** The text of `tables/commands.txt`: each command's outcome or refusal in each situation. */
export async function commandsTable(): Promise<string> {
  const dimensions = { situation: Object.keys(SITUATIONS) };
  const sections: string[] = [];
  for (const name of COMMANDS) {
    const cells: Cell[] = [];
    for (const [situation, [columns, surroundings]] of Object.entries(SITUATIONS)) {
      const done = await command(rowAt({ ...AN_EARLIER_TRY, ...columns }), name, surroundings);
      cells.push({ at: { situation }, text: typeof done === 'string' ? done : outcomeWords(done) });
    }
    const head = (group: { situation?: Set<string> }) => situationWords(group.situation!);
    sections.push(`${name}\n${grouped(dimensions, cells, head)}`);
  }
  return sections.join('\n\n');
}

/** `state (situation; situation)`, or only the state if all its situations are given. */
function situationWords(situations: ReadonlySet<string>): string {
  const all = Object.groupBy(Object.keys(SITUATIONS), stateOf);
  return Object.entries(all)
    .map(([state, names]) => ({ state, names: names!, met: names!.filter((name) => situations.has(name)) }))
    .filter(({ met }) => met.length > 0)
    .map(({ state, names, met }) => {
      if (met.length === names.length) return state;
      return `${state} (${met.map((name) => name.slice(state.length + 2) || 'plain').join('; ')})`;
    })
    .join(' | ');
}

const stateOf = (situation: string) => situation.split(', ')[0]!;

const WHERE: Readonly<Record<string, Partial<Columns>>> = {
  otp_requested: { ...UNDER_WAY['init-otp'], leaseUntil: null },
  otp_sent: {},
  otp_needed: { ...NEEDED, reason: 'send_failed' },
  otp_submitted: { ...UNDER_WAY['verify-otp'], leaseUntil: null },
  otp_verified: VERIFIED,
  authenticators_submitted: { ...UNDER_WAY['create-authenticators'], leaseUntil: null },
  'outcome_unknown after verify-otp': LOST['verify-otp'],
  'outcome_unknown after create-authenticators': LOST['create-authenticators'],
  completed: { ...ENDED, state: 'completed' },
};

const OVER: Readonly<Record<string, Partial<Columns>>> = {
  'the code': { otpExpiresAt: after(-2_000) },
  'the session': { sessionEndsAt: after(-2_000) },
  'idle time': { idleEndsAt: PAST },
  'code and session, then idle time': {
    otpExpiresAt: after(-2_000),
    sessionEndsAt: after(-2_000),
    idleEndsAt: PAST,
  },
  life: { lifeEndsAt: PAST },
};

const ATTEMPTS: Readonly<Record<string, Partial<Columns>>> = {
  'none in flight': {},
  'in doubt': { doubtAttempt: 1 },
  'in flight': { leaseUntil: after(20_000) },
  'the lease has lapsed': { leaseUntil: after(-3_000) },
};

/** The text of `tables/time.txt`: what a passed deadline changes in each state and during a call. */
export function timeTable(): string {
  const dimensions = { where: Object.keys(WHERE), over: Object.keys(OVER), attempt: Object.keys(ATTEMPTS) };
  const cells: Cell[] = [];
  for (const where of dimensions.where)
    for (const over of dimensions.over)
      for (const attempt of dimensions.attempt) {
        const row = rowAt({ ...WHERE[where], ...OVER[over], ...ATTEMPTS[attempt] });
        cells.push({ at: { where, over, attempt }, text: outcomeWords(timesWork(row)) });
      }
  return `state; what is over; its attempt\n${grouped(dimensions, cells)}`;
}
