import { z } from 'zod';
import { isCallerName } from '#libs/kernel';
import {
  ACTORS,
  EVENT_TYPES,
  OTP_NEEDED_REASONS,
  PARKED_REASONS,
  RESULT_CODES,
  STATES,
  type State,
  STEPS,
  isEnded,
  nextActionOf,
  type OnboardingEvent,
  type Row,
} from '#libs/onboarding';
import { rule } from '#libs/platform';
import { EVENT_MEANINGS, eventData } from './event-data.dto.js';
import { fieldErrors } from './field-error.dto.js';
import { nextAction } from './next-action.dto.js';
import { BY_PROVIDER, EXACTLY_ONE, EXAMPLE } from './schema-marks.js';
import { instant, isStorable, optional, text } from './text.js';

export const idParam = z.uuid('the id in the path is not a UUID').transform((id) => id.toLowerCase());

/** Accepts any object, because the provider's own schema checks the members later. */
const otpChoice = z
  .record(z.string().max(64), z.unknown())
  .refine((otp) => isStorable(otp), {
    ...rule('unstorable_text', 'is deeper than 8 levels, or holds U+0000 or half of a surrogate pair'),
    abort: true,
  })
  .refine(
    (otp) => JSON.stringify(otp).length <= 16_384,
    rule('too_big', 'is larger than 16384 characters of JSON'),
  );

/** For "Try it out" on the API page. The sandbox accepts any two ids. */
const SUBJECT = {
  accountId: '550e8400-e29b-41d4-a716-446655440000',
  userId: '6ba7b810-9dad-41d1-80b4-00c04fd430c8',
};

/** The provider defines and checks the subject's members. */
export const startBody = z
  .strictObject({
    integration: optional(text(32)).meta({
      description: 'The integration. May be left out if only one is configured, and the key may use it.',
    }),
    subject: z.record(z.string().max(64), z.unknown()).meta({ [BY_PROVIDER]: 'subject' }),
    externalRef: optional(text(255)).meta({ description: 'Your own reference. Lists can filter by it.' }),
    metadata: optional(
      z
        .record(z.string().max(64), z.unknown())
        .refine((metadata) => isStorable(metadata), {
          ...rule('unstorable_text', 'is deeper than 8 levels, or holds U+0000 or half of a surrogate pair'),
          abort: true,
        })
        .refine(
          (metadata) => JSON.stringify(metadata).length <= 4096,
          rule('too_big', 'is larger than 4096 characters of JSON'),
        ),
    ).meta({ description: 'Yours to fill: at most 4096 characters of JSON, 8 levels deep, without U+0000.' }),
    supersede: optional(z.boolean()).meta({
      description: 'Whether a live onboarding of the subject, if it is this caller’s, is cancelled first.',
    }),
    otp: optional(otpChoice).meta({
      description: 'Options of the code, if the provider offers a choice.',
      [BY_PROVIDER]: 'otp',
    }),
  })
  .meta({ id: 'StartOnboarding', [EXAMPLE]: { subject: SUBJECT } });
export type StartBody = z.output<typeof startBody>;

const reason = text(500);
const REASON = 'A text for the timeline.';

export const reasonBody = z
  .strictObject({ reason: optional(reason).meta({ description: REASON }) })
  .optional()
  .meta({ id: 'Reason', [EXAMPLE]: { reason: 'The user gave up.' } });
export type ReasonBody = z.output<typeof reasonBody>;

export const resendBody = z
  .strictObject({
    reason: optional(reason).meta({ description: REASON }),
    otp: optional(otpChoice).meta({
      description: 'Options for this code only: `captchaToken`, if the provider asks for a captcha.',
      [BY_PROVIDER]: 'resend',
    }),
  })
  .optional()
  .meta({ id: 'ResendOtp', [EXAMPLE]: { reason: 'No mail came.' } });
export type ResendBody = z.output<typeof resendBody>;

/** Byzantine's codes have six digits. Other providers send up to nine letters and digits. */
const code = z.string().regex(/^[A-Za-z0-9]{6,9}$/, 'is not a code of 6 to 9 letters and digits');

export const verifyBody = z
  .strictObject({
    code: optional(code),
    encryptedOtpBundle: optional(
      z
        .string()
        .max(4096)
        .regex(
          // Allows only these two members, so that the body cannot contain an unencrypted code (Turnkey,
          // encrypted OTP bundle).
          /^\{"encappedPublic":"04[0-9a-fA-F]{128}","ciphertext":"([0-9a-fA-F]{2}){17,1024}"\}$/,
          'is not {"encappedPublic", "ciphertext"} in hex, as the provider’s package makes it',
        ),
    ).meta({
      description:
        'In client custody: the code, which the user’s device has encrypted to `otp.targetBundle`.',
    }),
  })
  .refine((body) => (body.code === undefined) !== (body.encryptedOtpBundle === undefined), {
    ...rule('exactly_one_needed', 'must be {code} or {encryptedOtpBundle}'),
    path: ['code'],
  })
  .meta({ id: 'VerifyOtp', [EXACTLY_ONE]: ['code', 'encryptedOtpBundle'], [EXAMPLE]: { code: '123456' } });
export type VerifyBody = z.output<typeof verifyBody>;

export const resolveBody = z
  .strictObject({ outcome: z.enum(['done', 'not_done']), reason })
  .meta({ id: 'Resolve', [EXAMPLE]: { outcome: 'not_done', reason: 'The user got no mail.' } });
export type ResolveBody = z.output<typeof resolveBody>;

export const retryBody = z
  .strictObject({ reason })
  .meta({ id: 'Retry', [EXAMPLE]: { reason: 'The provider is back.' } });
export type RetryBody = z.output<typeof retryBody>;

const instantParam = z.iso
  .datetime({ offset: true, error: 'is not an RFC 3339 instant' })
  .transform((text) => new Date(text));
export const whole = (min: number, max: number, fallback: number) =>
  z.coerce.number().int().min(min).max(max).default(fallback);

/** UUIDs are stored in lower case. */
const subjectId = text(64).transform((id) => (z.guid().safeParse(id).success ? id.toLowerCase() : id));

const ONE_OR_MORE_STATES = new RegExp(`^(${STATES.join('|')})(,(${STATES.join('|')}))*$`);

/** The `nextCursor` of the previous page. */
export const cursor = z
  .string()
  .max(64)
  .transform((given, ctx) => {
    const id = z.uuid().safeParse(Buffer.from(given, 'base64url').toString());
    if (id.success) return id.data;
    ctx.addIssue({
      code: 'custom',
      message: 'is not the nextCursor of a list',
      params: { code: 'invalid_cursor' },
    });
    return z.NEVER;
  })
  .optional();

/** A parameter that is given twice is an array, which the schemas refuse. */
export const listQuery = z.strictObject({
  state: z
    .string()
    .regex(ONE_OR_MORE_STATES, 'is not one or more states, separated by commas')
    .transform((states) => states.split(',') as State[])
    .optional()
    .meta({ description: 'One state, or several, separated by commas.', example: 'otp_sent,otp_needed' }),
  caller: z
    .string()
    .refine(isCallerName, rule('invalid_format', 'is not 1 to 255 printable characters'))
    .meta({ minLength: 1, maxLength: 255 })
    .optional(),
  integration: text(32).optional(),
  accountId: subjectId.optional(),
  userId: subjectId.optional(),
  externalRef: text(255).optional(),
  contact: text(254).optional().meta({
    description: 'An e-mail address or a phone number (E.164), if the provider identifies subjects by it.',
  }),
  parked: z
    .stringbool({ truthy: ['true'], falsy: ['false'], case: 'sensitive', error: 'is neither true nor false' })
    .meta({ type: 'boolean' })
    .optional(),
  createdAfter: instantParam.optional().meta({ description: 'Only later ones.' }),
  createdBefore: instantParam.optional().meta({ description: 'Only earlier ones.' }),
  limit: whole(1, 200, 50).meta({ description: 'The most entries on a page.' }),
  cursor,
});
export type ListQuery = z.output<typeof listQuery>;

export const eventsQuery = z.strictObject({
  after: whole(0, 2_147_483_647, 0).meta({ description: 'Only events with a greater number.' }),
  limit: whole(1, 1000, 200).meta({
    description: 'The most entries of an answer. Fewer mean that there are no more.',
  }),
});
export type EventsQuery = z.output<typeof eventsQuery>;

export const streamQuery = eventsQuery.pick({ after: true });
export type StreamQuery = z.output<typeof streamQuery>;

const lastResult = z.object({
  step: z.enum(STEPS),
  code: z.enum(RESULT_CODES),
  detail: z.string(),
  at: instant,
  errors: fieldErrors.optional(),
});

const STATE_MEANINGS = [
  '`otp_requested`: a code is being sent.',
  '`otp_sent`: the user has a code to type.',
  '`otp_needed`: ask for a new code.',
  '`otp_submitted`: the code is being verified.',
  '`otp_verified`: the session is open, passkeys can be registered.',
  '`authenticators_submitted`: passkeys are being registered.',
  '`outcome_unknown`: an answer of the provider was lost, and someone must decide.',
  '`completed`, `failed`, `expired`, `cancelled`: ended.',
].join(' ');

export const onboardingResource = z
  .object({
    id: z.uuid(),
    caller: z.string(),
    integration: z.string(),
    provider: z.string(),
    subject: z.record(z.string(), z.unknown()).meta({
      description: 'As it was given, with ids and e-mail addresses in lower case. Empty after an erasure.',
    }),
    externalRef: z.string().nullable().meta({
      description: 'The caller’s own reference. Null if it gave none, and after an erasure.',
    }),
    metadata: z.record(z.string(), z.unknown()),
    state: z.enum(STATES).meta({ description: STATE_MEANINGS }),
    reason: z
      .enum(OTP_NEEDED_REASONS)
      .nullable()
      .meta({ description: 'Why a new code is needed. Null in all states but `otp_needed`.' }),
    version: z.int().min(1),
    nextAction,
    otp: z.object({
      sends: z.int().min(0).meta({
        description: 'How many times a code was sent, also where the provider may not have sent it.',
      }),
      sentAt: instant
        .nullable()
        .meta({ description: 'When the last code was sent. Null before the first one.' }),
      expiresAt: instant
        .nullable()
        .meta({ description: 'When the code expires. Null while a code is being sent, and without a code.' }),
      attemptsLeft: z.int().min(0).meta({ description: 'Tries of this code. A running one counts.' }),
      resendAvailableAt: instant
        .nullable()
        .meta({ description: 'From when on the limits allow another code. Null before the first one.' }),
      targetBundle: z
        .string()
        .nullable()
        .meta({
          description:
            'In client custody: the key to which the user’s device encrypts the code. ' +
            'At providers that send no such key, and in all states but `otp_sent`, it is null.',
        }),
    }),
    session: z.object({ expiresAt: instant }).nullable().meta({
      description: 'The session that a right code opened. Null before it, and once the session is over.',
    }),
    deviceSigning: z
      .object({
        organizationId: z.string().meta({ description: '`organizationId` of the request to sign.' }),
        userId: z.string().meta({ description: '`parameters.userId` of the request to sign.' }),
        publicKey: z.string().meta({
          description: 'The session’s public key, in hex: the key that encrypted the code must belong to it.',
        }),
        loginMessage: z.string().meta({ description: 'The text to sign for `device.clientSignature`.' }),
      })
      .nullable()
      .meta({
        description:
          'In client custody, while a session is open: the data that the user’s device signs for step 3. ' +
          'In server custody it is always null.',
      }),
    authenticators: z.array(
      z.object({
        id: z.string().nullable().meta({
          description: 'The provider’s id. Null if its answer does not say which id is whose.',
        }),
        authenticatorName: z.string(),
        credentialId: z.string(),
        aaguid: z.string(),
        transports: z.array(z.string()),
        createdAt: instant,
      }),
    ),
    lastResult: lastResult.nullable().meta({
      description: 'How the last step ended if it did not lead on. Null after a success.',
    }),
    unresolved: z
      .object({ step: z.enum(STEPS), attempt: z.int().min(1), at: instant })
      .nullable()
      .meta({ description: 'The call whose answer was lost. Null if the outcome of each call is known.' }),
    parked: z
      .object({ reason: z.enum(PARKED_REASONS), since: instant })
      .nullable()
      .meta({ description: 'Why the step waits for an operator. Null if it does not.' }),
    failure: z
      .object({
        code: z.enum(RESULT_CODES),
        detail: z.string(),
        step: z.enum(STEPS),
        upstreamStatus: z.int().min(100).max(599).nullable().meta({
          description: 'The HTTP status of the provider’s answer. Null if no answer ended the step.',
        }),
        at: instant,
        errors: fieldErrors.optional(),
      })
      .nullable()
      .meta({ description: 'Why the onboarding failed. Null in all states but `failed`.' }),
    createdAt: instant,
    updatedAt: instant,
    erasedAt: instant
      .nullable()
      .meta({ description: 'When the personal data of the onboarding was erased. Null if it was not.' }),
    expiresAt: instant
      .nullable()
      .meta({ description: 'When the onboarding ends by itself. Null if it has ended.' }),
  })
  .meta({ id: 'Onboarding' });
export type OnboardingResource = z.output<typeof onboardingResource>;

export const onboardingPage = z
  .object({
    items: z.array(onboardingResource),
    nextCursor: z.string().nullable().meta({
      description: '`cursor` of the next page. Null on the last page.',
    }),
  })
  .meta({ id: 'OnboardingPage' });

const eventOf = (type: (typeof EVENT_TYPES)[number]) =>
  z
    .object({
      seq: z.int().min(1),
      type: z.literal(type),
      at: instant,
      actor: z.enum(ACTORS),
      data: eventData(type),
    })
    .meta({
      id: `${type.replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())}Event`,
      description: EVENT_MEANINGS[type],
    });
const [firstEvent, ...otherEvents] = EVENT_TYPES.map(eventOf);

export const eventResource = z
  .discriminatedUnion('type', [firstEvent!, ...otherEvents])
  .meta({ id: 'OnboardingEvent' });
export interface EventResource {
  seq: number;
  type: (typeof EVENT_TYPES)[number];
  at: string;
  actor: (typeof ACTORS)[number];
  data: object;
}

export const eventPage = z.object({ items: z.array(eventResource) }).meta({ id: 'OnboardingEventPage' });

const iso = (at: Date | null) => at?.toISOString() ?? null;

export function toResource(row: Row): OnboardingResource {
  const mayHaveSession =
    row.state === 'otp_verified' ||
    row.state === 'authenticators_submitted' ||
    row.state === 'outcome_unknown';
  // While a new code is being sent, the service does not accept the old code, although the row still has its
  // expiry and tries.
  const isSending = row.state === 'otp_requested';
  // A call that is still under way cannot be resolved yet.
  const unresolved = row.leaseUntil === null ? row.unresolved.at(-1) : undefined;
  return {
    id: row.id,
    caller: row.caller,
    integration: row.integration,
    provider: row.provider,
    subject: row.subject,
    externalRef: row.externalRef,
    metadata: row.metadata,
    state: row.state,
    reason: row.reason,
    version: row.version,
    nextAction: nextActionOf(row),
    otp: {
      sends: row.otpSends,
      sentAt: iso(row.otpSentAt),
      expiresAt: isSending ? null : iso(row.otpExpiresAt),
      attemptsLeft: isSending ? 0 : row.otpTriesLeft,
      resendAvailableAt: iso(row.otpResendAt),
      targetBundle: row.state === 'otp_sent' ? row.otpTargetBundle : null,
    },
    session:
      mayHaveSession && row.sessionExpiresAt ? { expiresAt: row.sessionExpiresAt.toISOString() } : null,
    deviceSigning: mayHaveSession && row.deviceSigning ? deviceSigningOf(row.deviceSigning) : null,
    authenticators: row.authenticators.map(authenticatorOf),
    lastResult: row.lastResult && lastResultOf(row.lastResult),
    unresolved: unresolved ? { step: unresolved.step, attempt: unresolved.attempt, at: unresolved.at } : null,
    parked:
      row.parkedReason && row.parkedAt
        ? { reason: row.parkedReason, since: row.parkedAt.toISOString() }
        : null,
    failure: row.failure && failureOf(row.failure),
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
    erasedAt: iso(row.erasedAt),
    expiresAt: iso(endsAtOf(row)),
  };
}

// PostgreSQL sorts the members of JSON by length. The next functions restore the documented order.

const lastResultOf = ({ step, code, detail, at, errors }: NonNullable<Row['lastResult']>) => ({
  step,
  code,
  detail,
  at,
  ...(errors && { errors: errors.map(fieldErrorOf) }),
});

const failureOf = ({ code, detail, step, upstreamStatus, at, errors }: NonNullable<Row['failure']>) => ({
  code,
  detail,
  step,
  upstreamStatus,
  at,
  ...(errors && { errors: errors.map(fieldErrorOf) }),
});

type FieldError = NonNullable<NonNullable<Row['lastResult']>['errors']>[number];
const fieldErrorOf = ({ pointer, code, detail }: FieldError) => ({ pointer, code, detail });

const deviceSigningOf = (signing: NonNullable<Row['deviceSigning']>) => ({
  organizationId: signing.organizationId,
  userId: signing.userId,
  publicKey: signing.publicKey,
  loginMessage: signing.loginMessage,
});

const authenticatorOf = (registered: Row['authenticators'][number]) => ({
  id: registered.id,
  authenticatorName: registered.name,
  credentialId: registered.credentialId,
  aaguid: registered.aaguid,
  transports: registered.transports,
  createdAt: registered.createdAt,
});

/** In `outcome_unknown`, the idle limit does not apply, because the onboarding waits for a decision. */
function endsAtOf({ state, idleEndsAt, lifeEndsAt }: Row): Date | null {
  if (isEnded(state)) return null;
  return state === 'outcome_unknown' || lifeEndsAt < idleEndsAt ? lifeEndsAt : idleEndsAt;
}

export function toEventResource(event: OnboardingEvent): EventResource {
  const { seq, type, actor, data } = event;
  return { seq, type, at: event.at.toISOString(), actor, data };
}
