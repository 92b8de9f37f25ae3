import type { Columns, Row, StepName } from '#libs/onboarding';
import { after } from '#libs/testing';
import { PROVIDERS, type FailureClass, type RejectionReason } from '#libs/upstream';
import { endOfAttempt, failed, type AttemptEnd } from './core.js';
import { AN_EARLIER_TRY, UNDER_WAY, openAttempt, rowAt } from './rows.js';
import { grouped, outcomeWords, type Cell } from './words.js';

export const KINDS = PROVIDERS.map(({ kind }) => kind);

interface End {
  name: string;
  end: AttemptEnd | 'success';
  columns?: Partial<Columns>;
}

interface Family {
  title: string;
  ends: readonly End[];
  /** Whether the retry law may allow a retry if enough time is left. */
  mayRetry?: true;
}

const refused = (reason: RejectionReason, columns?: Partial<Columns>, note = ''): End => ({
  name: reason + note,
  end: failed('rejected', { status: 400, reason }),
  ...(columns && { columns }),
});

const REFUSALS: Readonly<Record<StepName, readonly End[]>> = {
  'init-otp': [
    refused('subject_not_found'),
    refused('contact_invalid'),
    refused('captcha_required'),
    refused('resource_limit'),
    refused('consensus_needed'),
    refused('mfa_needed'),
  ],
  'verify-otp': [
    refused('otp_invalid'),
    refused('otp_invalid', { otpTriesLeft: 1 }, ' (the code’s last try)'),
    refused('otp_invalid', { otpWrong: 5 }, ' (the onboarding’s last)'),
    refused('otp_expired'),
    refused('otp_locked'),
    refused('subject_not_found'),
    refused('subject_ambiguous'),
    refused('contact_invalid'),
    refused('resource_limit'),
    refused('login_refused'),
    refused('consensus_needed'),
    refused('mfa_needed'),
  ],
  'create-authenticators': [
    refused('attestation_invalid'),
    refused('attestation_invalid', { deviceSigning: {} as never }, ' (signed by the device)'),
    refused('credential_already_registered'),
    refused('subject_not_found'),
    refused('authenticator_limit'),
    refused('resource_limit'),
    refused('session_expired'),
    refused('consensus_needed'),
    refused('mfa_needed'),
  ],
};

const familiesOf = (step: StepName): readonly Family[] => [
  { title: 'ok', ends: [{ name: 'ok', end: 'success' }] },
  { title: 'not_sent', mayRetry: true, ends: [{ name: 'not_sent', end: failed('not_sent') }] },
  {
    title: 'throttled',
    mayRetry: true,
    ends: [{ name: 'throttled', end: failed('throttled', { status: 429 }) }],
  },
  {
    title: 'unavailable',
    mayRetry: true,
    ends: [{ name: 'unavailable', end: failed('unavailable', { status: 502 }) }],
  },
  {
    title: 'no_answer',
    mayRetry: true,
    ends: [
      { name: 'seen', end: failed('no_answer') },
      { name: 'the lease has lapsed', end: failed('no_answer', { lapsed: true }) },
    ],
  },
  {
    title: 'rejected or rejected_unclear',
    ends: [
      { name: 'rejected_unclear', end: failed('rejected_unclear', { status: 400 }) },
      { name: 'without a reason', end: failed('rejected', { status: 400 }) },
      ...REFUSALS[step],
    ],
  },
  {
    title: 'misconfigured',
    ends: [
      { name: 'sent', end: failed('misconfigured', { status: 401 }) },
      { name: 'not sent', end: failed('misconfigured', { unsent: true }) },
      { name: 'no integration', end: { type: 'integration_missing' } },
      { name: 'paused', end: { type: 'integration_paused' } },
    ],
  },
  {
    title: 'waiting, and no try is left',
    ends: [
      {
        name: 'no try',
        end: { type: 'no_next_attempt' },
        columns: { leaseUntil: null, nextAttemptAt: after(-1_000) },
      },
    ],
  },
];

/** How the step's earlier calls failed, by the title in the table. */
const EARLIER: Readonly<Record<string, readonly FailureClass[]>> = {
  'first call': [],
  'after not_sent': ['not_sent'],
  'after unavailable': ['unavailable'],
  'after no_answer': ['no_answer'],
};

/** Earlier failures after which the retry law allows no more retry. */
const USED_UP: Record<StepName, Readonly<Record<string, readonly FailureClass[]>>> = {
  'init-otp': {},
  'verify-otp': { 'after 2 unavailable': ['unavailable', 'unavailable'] },
  'create-authenticators': { 'after 4 unavailable': Array(4).fill('unavailable') },
};

const CODE: Readonly<Record<string, Partial<Columns>>> = {
  'no code before': { otpSentAt: null, otpHandle: null, otpExpiresAt: null, otpTriesLeft: 0, otpSends: 0 },
  'the code before lives': { otpTriesLeft: 2 },
  'the code before is over': { otpHandle: null, otpExpiresAt: null, otpTriesLeft: 0 },
};
const ANY_CODE = { '': {} };

/** A deadline in ten seconds: too soon for another call. */
const SOON = after(10_000);
const SHORT: Record<StepName, Partial<Columns>> = {
  'init-otp': { lifeEndsAt: SOON },
  'verify-otp': { otpExpiresAt: SOON },
  'create-authenticators': { sessionEndsAt: SOON },
};

/** @returns the text of `tables/ends-of-<step>.txt`: the effect of each end of an attempt. */
export async function endsTable(step: StepName): Promise<string> {
  const sections: string[] = [];
  for (const family of familiesOf(step)) sections.push(await sectionOf(step, family));
  return sections.join('\n\n');
}

async function sectionOf(step: StepName, { title, ends, mayRetry }: Family): Promise<string> {
  const codes: Readonly<Record<string, Partial<Columns>>> = step === 'init-otp' ? CODE : ANY_CODE;
  const befores = { ...EARLIER, ...USED_UP[step] };
  const dimensions = {
    end: ends.map(({ name }) => name),
    provider: KINDS,
    earlier: Object.keys(befores),
    code: Object.keys(codes),
    time: mayRetry ? ['time is left', 'no time is left'] : ['time is left'],
  };
  const cells: Cell[] = [];
  for (const { name, end, columns } of ends)
    for (const provider of dimensions.provider)
      for (const earlier of dimensions.earlier)
        for (const code of dimensions.code)
          for (const time of dimensions.time) {
            const row = attemptOf(step, befores[earlier]!, {
              provider,
              ...codes[code],
              ...(time === 'no time is left' && SHORT[step]),
              ...columns,
            });
            const text = outcomeWords(await endOfAttempt(row, end));
            cells.push({ at: { end: name, provider, earlier, code, time }, text });
          }
  return `${title}\n${grouped(dimensions, cells)}`;
}

/** @returns a row with an attempt in flight, whose end must not change an earlier unresolved attempt. */
function attemptOf(step: StepName, earlier: readonly FailureClass[], columns: Partial<Columns>): Row {
  const submission = 2;
  const attempt = submission + earlier.length;
  const count = (failure: FailureClass) => earlier.filter((each) => each === failure).length;
  const lost = earlier.findLastIndex((each) => each === 'unavailable' || each === 'no_answer');
  const doubts = step !== 'init-otp';
  const doubtAttempt = doubts && lost >= 0 ? submission + lost : null;
  return rowAt({
    ...AN_EARLIER_TRY,
    ...UNDER_WAY[step],
    attempt,
    submission,
    unavailableCount: count('unavailable'),
    noAnswerCount: count('no_answer'),
    doubtAttempt,
    unresolved: [
      openAttempt('create-authenticators', 1),
      ...(doubtAttempt === null ? [] : [openAttempt(step, doubtAttempt)]),
      ...(doubts ? [openAttempt(step, attempt, false)] : []),
    ],
    ...columns,
  });
}
