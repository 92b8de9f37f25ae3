/**
 * @typedef {object} TimelineEvent
 * @property {number} seq
 * @property {string} type
 * @property {string} at
 * @property {string} actor
 * @property {Record<string, any>} data
 */

/** @type {Record<string, string>} */
const CALLS = {
  'init-otp': 'to mail a code',
  'verify-otp': 'to check the code',
  'create-authenticators': 'to register the passkey',
};

/** Texts by the `class` of an `attempt_ended` event. @type {Record<string, string>} */
const ENDS = {
  ok: 'The provider did it',
  not_sent: 'The provider was not reached',
  unavailable: 'The provider is not available',
  throttled: 'The provider asks us to slow down',
  no_answer: 'The provider’s answer was lost',
  rejected: 'The provider said no',
  rejected_unclear: 'The provider said no, without a clear reason',
  misconfigured: 'The provider does not accept our set-up',
};

const seconds = (/** @type {number} */ ms) => `${(ms / 1000).toFixed(1)} s`;

/** @type {Record<string, (data: Record<string, any>) => string>} */
const WORDS = {
  created: () => 'The onboarding started',
  otp_sent: () => 'A code was mailed',
  send_gave_up: () => 'The code could not be mailed',
  otp_submitted: () => 'A code was entered',
  otp_resend_asked: () => 'A new code was requested',
  otp_expired: () => 'The code expired',
  otp_verified: () => 'The code was right',
  otp_rejected: () => 'The code was wrong',
  authenticators_submitted: ({ authenticators }) =>
    authenticators > 1 ? `${authenticators} passkeys were submitted` : 'A passkey was submitted',
  authenticators_created: () => 'The provider has the passkey',
  authenticators_rejected: () => 'The provider refused the passkey',
  session_expired: () => 'The time for the passkey ran out',
  outcome_lost: () => 'The outcome is not known',
  resolved_done: () => 'Decided: it was done',
  resolved_not_done: () => 'Decided: it was not done',
  late_answer: () => 'The lost answer came after all',
  step_failed: () => 'It cannot continue',
  expired: () => 'The onboarding expired',
  cancelled: () => 'Cancelled',
  attempt_started: ({ step }) => `Asking the provider ${CALLS[step] ?? ''}`.trim(),
  attempt_ended: ({ class: end, durationMs }) =>
    (ENDS[end] ?? 'The call ended') + (durationMs > 0 ? ` (${Math.round(durationMs)} ms)` : ''),
  retry_scheduled: ({ inMs }) => (inMs >= 100 ? `Next try in ${seconds(inMs)}` : 'Trying again'),
  second_mail_possible: () => 'Two codes may have been mailed: the newest counts',
  late_answer_kept: () => 'A late answer was noted',
  parked: () => 'Waiting until the set-up is fixed',
  unparked: () => 'The set-up is fixed: continuing',
  resolved: () => 'The outcome of the lost call was decided',
  secrets_wiped: () => 'Code and session were wiped',
  erased: () => 'All personal data was erased',
};

const GOOD = new Set(['otp_sent', 'otp_verified', 'authenticators_created', 'resolved_done', 'unparked']);
const BAD = new Set([
  'send_gave_up',
  'otp_expired',
  'otp_rejected',
  'authenticators_rejected',
  'session_expired',
  'outcome_lost',
  'step_failed',
  'expired',
  'cancelled',
  'parked',
  'retry_scheduled',
  'second_mail_possible',
]);

/**
 * Describes an event for the user. An unknown type gets its name as text.
 *
 * @param {TimelineEvent} event
 * @returns {{text: string, tone: 'good' | 'bad' | 'plain'}}
 */
export function eventWords({ type, data }) {
  const text = WORDS[type]?.(data) ?? type;
  const failed = type === 'attempt_ended' && data['class'] !== 'ok';
  if (failed || BAD.has(type)) return { text, tone: 'bad' };
  return { text, tone: GOOD.has(type) ? 'good' : 'plain' };
}
