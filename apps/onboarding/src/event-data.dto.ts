import { z } from 'zod';
import { EVENTS, type EVENT_TYPES } from '#libs/onboarding';

type EventType = (typeof EVENT_TYPES)[number];

export const EVENT_MEANINGS: Record<EventType, string> = {
  created: 'The caller started the onboarding.',
  otp_sent: 'The provider sent a code to the user.',
  send_gave_up: 'Gangway stopped trying to send a code. A resend tries again.',
  otp_submitted: 'The caller submitted a code.',
  otp_resend_asked: 'The caller asked for a new code.',
  otp_expired: 'The code expired before it was accepted.',
  otp_verified: 'The code was right: the session at the provider is open.',
  otp_rejected: 'The provider refused the code.',
  authenticators_submitted: 'The caller submitted passkeys, and they passed the checks.',
  authenticators_created: 'The provider registered the passkeys: the onboarding is completed.',
  authenticators_rejected: 'The provider refused the passkeys.',
  session_expired: 'The session at the provider ended before a passkey was registered.',
  outcome_lost: 'A call has an unknown outcome: it may have had its effect.',
  resolved_done: 'It was decided that the lost call had its effect.',
  resolved_not_done: 'It was decided that the lost call had no effect.',
  late_answer: 'The unknown outcome of an attempt became known later, and moved the onboarding on.',
  step_failed: 'A step failed for good: the onboarding has failed.',
  expired: 'The onboarding reached a deadline and ended.',
  cancelled: 'The onboarding was cancelled.',
  attempt_started: 'Gangway recorded an attempt, before it sent the request.',
  attempt_ended: 'An attempt ended.',
  retry_scheduled: 'The step is tried again later.',
  second_mail_possible: 'The user may get two codes. Only the newer one works.',
  late_answer_kept: 'An answer came after the onboarding had moved on. It changed nothing.',
  parked: 'The step is not retried until its integration works again.',
  unparked: 'The step continues.',
  resolved: 'The decision on a lost call, with its reason.',
  secrets_wiped: 'The code, the session and the attestations were deleted.',
  erased: 'The personal data of the onboarding was deleted.',
};

const SIGNAL = 'The type of the event to which the answer would have led.';
const STATUS = 'The HTTP status of the provider’s answer. Null if none came.';
const SESSION = 'When the session at the provider expires, RFC 3339.';
const IDS = 'The provider’s ids of the passkeys. Null if its answer does not say which id is whose.';
const UNMAPPED = 'Present, and true, if the provider’s answer does not say which id is whose.';
const CLASS =
  'How the attempt ended: `ok`, or the class of its failure (`not_sent`, `throttled`, `unavailable`, ' +
  '`no_answer`, `rejected`, `rejected_unclear`, `misconfigured`).';

/** The meanings of members in events of any type. */
const MEMBERS: Record<string, string> = {
  attempt: 'The number of the attempt, counted through the onboarding.',
  by: 'The caller that sent the command. Absent if it is the owner of the onboarding.',
  class: CLASS,
  reason: 'The reason that the command gave. Absent if it gave none.',
  step: 'The step of the attempt.',
  upstreamStatus: STATUS,
};

/** These meanings have priority over {@link MEMBERS}. */
const BY_TYPE: { [Type in EventType]?: Record<string, string> } = {
  otp_verified: { sessionExpiresAt: SESSION },
  authenticators_submitted: { authenticators: 'How many passkeys the caller submitted.' },
  authenticators_created: { authenticatorIds: IDS, unmapped: UNMAPPED },
  outcome_lost: {
    detail: 'What is known about the lost call, as a text for operators.',
    bytesSent: 'Whether any byte of the request may have reached the provider.',
    headersSeen: 'Whether the headers of an answer came.',
    status: STATUS,
    durationMs: 'How long the call took, in milliseconds. Null if its process did not see the end.',
  },
  late_answer: { answer: SIGNAL },
  attempt_started: {
    fingerprint: 'A keyed hash of the submitted values: equal values have equal hashes. Null for none.',
  },
  attempt_ended: {
    durationMs: 'How long the attempt took, in milliseconds. Null if its process did not see the end.',
    lapsed: 'Present, and true, if the process of the attempt did not report its end in time.',
  },
  retry_scheduled: {
    attempt: 'The number of the next attempt.',
    inMs: 'The wait before the next attempt, in milliseconds.',
    step: 'The step that is tried again.',
  },
  second_mail_possible: { attempt: 'The attempt that may have sent a second code.' },
  late_answer_kept: {
    answer: `${SIGNAL} Absent if the attempt failed.`,
    sessionExpiresAt: SESSION,
    authenticatorIds: IDS,
    unmapped: UNMAPPED,
  },
  parked: {
    reason:
      '`upstream_misconfigured`: the provider refuses this service. ' +
      '`integration_missing`: the integration is not configured any more. ' +
      '`integration_paused`: an operator has paused the integration.',
    step: 'The step that waits for an operator.',
  },
  resolved: {
    outcome: 'Whether the lost call took effect, as the command said.',
    reason: 'The reason that the command gave.',
    step: 'The step whose answer was lost.',
    attempt: 'The attempt whose answer was lost.',
  },
};

/** Each member is optional, because an erasure removes members. */
export function eventData(type: EventType) {
  const shape: Record<string, z.ZodType> = EVENTS[type].partial().shape;
  const members = Object.entries(shape).map(([name, member]) => {
    const description = BY_TYPE[type]?.[name] ?? MEMBERS[name];
    if (description === undefined) throw new Error(`${name} of the event ${type} has no description`);
    return [name, member.meta({ description })] as const;
  });
  return z.strictObject(Object.fromEntries(members));
}
