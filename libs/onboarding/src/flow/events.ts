import { z } from 'zod';
import { PARKED_REASONS } from './codes.js';
import { SIGNALS, STEPS } from './table.js';

export const ACTORS = ['caller', 'service', 'upstream'] as const;
export type Actor = (typeof ACTORS)[number];

const step = z.enum(STEPS);
const attempt = z.int().positive();
const upstreamStatus = z.int().nullable();
/** The caller that gave the command, if it is not the onboarding's owner. */
const by = z.string().optional();
const nothing = z.strictObject({});
const given = z.strictObject({ by, reason: z.string().optional() });

/** No event data contains a secret. */
export const EVENTS = {
  created: nothing,
  otp_sent: nothing,
  send_gave_up: nothing,
  otp_submitted: nothing,
  otp_resend_asked: given,
  otp_expired: nothing,
  otp_verified: z.strictObject({ sessionExpiresAt: z.string().optional() }),
  otp_rejected: nothing,
  authenticators_submitted: z.strictObject({ authenticators: z.int() }),
  authenticators_created: z.strictObject({
    authenticatorIds: z.array(z.string()).nullable().optional(),
    unmapped: z.literal(true).optional(),
  }),
  authenticators_rejected: nothing,
  session_expired: nothing,
  outcome_lost: z.strictObject({
    detail: z.string().optional(),
    bytesSent: z.boolean().optional(),
    headersSeen: z.boolean().optional(),
    status: upstreamStatus.optional(),
    durationMs: z.number().nullable().optional(),
  }),
  resolved_done: z.strictObject({ by }),
  resolved_not_done: z.strictObject({ by }),
  late_answer: z.strictObject({ answer: z.enum(SIGNALS) }),
  step_failed: nothing,
  expired: nothing,
  cancelled: given,
  attempt_started: z.strictObject({ attempt, step, fingerprint: z.string().nullable() }),
  attempt_ended: z.strictObject({
    step,
    attempt,
    class: z.string(),
    upstreamStatus,
    durationMs: z.number().nullable(),
    lapsed: z.literal(true).optional(),
  }),
  retry_scheduled: z.strictObject({ step, attempt, inMs: z.number(), by, reason: z.string().optional() }),
  second_mail_possible: z.strictObject({ attempt }),
  late_answer_kept: z.strictObject({
    step,
    attempt,
    class: z.string(),
    answer: z.enum(SIGNALS).optional(),
    upstreamStatus: upstreamStatus.optional(),
    sessionExpiresAt: z.string().optional(),
    authenticatorIds: z.array(z.string()).nullable().optional(),
    unmapped: z.literal(true).optional(),
  }),
  parked: z.strictObject({ reason: z.enum(PARKED_REASONS), step }),
  unparked: given,
  resolved: z.strictObject({
    by,
    outcome: z.enum(['done', 'not_done']),
    reason: z.string(),
    step,
    attempt,
  }),
  secrets_wiped: nothing,
  erased: nothing,
} as const;

export type EventType = keyof typeof EVENTS;
export const EVENT_TYPES = Object.keys(EVENTS) as [EventType, ...EventType[]];
export type EventData<Type extends EventType> = z.input<(typeof EVENTS)[Type]>;

/** The store has not numbered the event yet. */
export type NewEvent = {
  [Type in EventType]: { type: Type; actor: Actor; data?: EventData<Type> };
}[EventType];

/** @returns null if the event has another type, or if its onboarding was erased. */
export function dataOf<Type extends EventType>(
  { type, data }: { type: string; data: unknown },
  wanted: Type,
): EventData<Type> | null {
  if (type !== wanted) return null;
  const read = EVENTS[wanted].safeParse(data);
  return read.success ? (read.data as EventData<Type>) : null;
}
