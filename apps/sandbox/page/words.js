/** @import { Fault } from '../src/control/faults.js' */
/** @import { JournalEntry } from '../src/control/journal.js' */

/** @type {Readonly<Record<string, string>>} */
const ROUTES = {
  '*': 'Everything',
  health: 'Health check',
  'init-otp': 'Code mail',
  'otp-auth': 'Code check',
  'create-authenticators-otp': 'Passkey creation',
  init_otp: 'Code mail',
  otp_init: 'Code mail',
  otp_init_v2: 'Code mail',
  verify_otp: 'Code check',
  otp_verify: 'Code check',
  otp_verify_v2: 'Code check',
  otp_login: 'Login',
  otp_login_v2: 'Login',
  create_authenticators: 'Passkey creation',
};

/** @param {string} route */
export const routeWords = (route) => ROUTES[route] ?? route;

/** @type {Readonly<Record<number, string>>} */
const STATUSES = {
  200: 'OK',
  400: 'Bad request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not found',
  408: 'Timeout',
  409: 'Conflict',
  429: 'Too many requests',
  500: 'Server error',
  502: 'Bad gateway',
  503: 'Unavailable',
  504: 'Gateway timeout',
};

/**
 * @param {JournalEntry['answer']} answer
 * @returns {{ text: string, tone: 'good' | 'refused' | 'bad' | 'waiting' }}
 */
export function answerWords(answer) {
  if (answer === null) return { text: 'In flight …', tone: 'waiting' };
  if (answer === 'cut') return { text: 'Connection dropped', tone: 'bad' };
  if (answer === 'client_gone') return { text: 'Caller hung up', tone: 'bad' };
  const text = `${answer} ${STATUSES[answer] ?? ''}`.trim();
  return { text, tone: answer < 400 ? 'good' : answer < 500 && answer !== 429 ? 'refused' : 'bad' };
}

/** @param {JournalEntry['effect']} effect */
export function effectWords(effect) {
  if (effect === null) return '';
  const { type, triesLeft, authenticatorIds } =
    /** @type {{ type?: string, triesLeft?: number, authenticatorIds?: string[] }} */ (effect);
  if (type === 'otp_sent') return 'code mailed';
  if (type === 'otp_missed') return `wrong code, ${counted(triesLeft ?? 0, 'try', 'tries')} left`;
  if (type === 'otp_verified') return 'code accepted';
  if (type === 'session_opened') return 'session opened';
  if (type === 'authenticators_created') {
    return `${counted(authenticatorIds?.length ?? 1, 'passkey', 'passkeys')} stored`;
  }
  return (type ?? '').replaceAll('_', ' ');
}

/** @param {Fault} fault */
export function faultWords({ answer, cut, delayMs, effectFirst, activity }) {
  const parts = [];
  if (activity !== null)
    parts.push(`activity ${activity.status?.toLowerCase().replaceAll('_', ' ') ?? 'pending'}`);
  if (delayMs > 0) parts.push(`${delayMs / 1000} s late`);
  if (answer !== null) parts.push(`${effectFirst ? 'done, but ' : ''}answered ${answer.status}`);
  if (cut === 'before') parts.push('dropped, nothing done');
  if (cut === 'after') parts.push('done, then dropped');
  if (cut === 'mid-response') parts.push('dropped in the middle of the answer');
  return parts.join(', ');
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} many
 */
export const counted = (count, one, many) => `${count} ${count === 1 ? one : many}`;

/** @param {string} id a UUID */
export const shortId = (id) => id.slice(0, 8);
