import type { Invariant } from '../invariant.js';
import type { Effect, UpstreamCall } from '../history.js';
import { attemptsOf } from '../replay.js';

const EFFECT_OF: Record<string, Effect['type']> = {
  'init-otp': 'otp_sent',
  'verify-otp': 'session_opened',
  'create-authenticators': 'authenticators_created',
};

export const agreement: Invariant = (onboarding) => {
  const found: string[] = [];
  const { row, calls } = onboarding;
  const attempts = attemptsOf(onboarding);
  for (const { number, startedAt } of attempts) {
    const arrived = calls.filter((call) => call.attempt === number);
    if (arrived.length - (isRefusedFirst(arrived) ? 1 : 0) > 1)
      found.push(`attempt ${number} arrived ${arrived.length} times`);
    if (arrived.some(({ arrivedAt }) => arrivedAt < startedAt)) {
      found.push(`attempt ${number} arrived before the timeline said that it had begun`);
    }
  }
  for (const call of calls) {
    if (!attempts.some(({ number, step }) => number === call.attempt && step === call.step)) {
      found.push(`${call.step} ${call.attempt} arrived, but is not in the timeline`);
    }
  }
  for (const { number, step, end } of attempts) {
    const call = calls.findLast((each) => each.attempt === number);
    const contradiction = end && contradictionOf(end, EFFECT_OF[step]!, call);
    if (contradiction) found.push(`attempt ${number} of ${step} ended ${end}, and ${contradiction}`);
  }
  if (row.state === 'otp_sent' || row.state === 'otp_submitted') {
    const sent = attempts.findLast(({ step, end }) => step === 'init-otp' && end === 'ok');
    const newest = calls.findLast((call) => call.attempt === sent?.number)?.effect?.otpId;
    if (row.otpHandle !== newest)
      found.push(`the row has code ${row.otpHandle}, but the last code sent is ${newest}`);
  }
  return found;
};

/**
 * After a refusal of the key, an attempt makes a second call, because perhaps not all servers refuse the key.
 */
const isRefusedFirst = ([first]: UpstreamCall[]) =>
  first !== undefined && (first.answer === 401 || first.answer === 403) && first.effect === null;

function contradictionOf(end: string, effect: Effect['type'], call: UpstreamCall | undefined): string | null {
  const acted = call?.effect?.type === effect;
  switch (end) {
    case 'ok':
      return acted ? null : 'upstream did nothing';
    case 'not_sent':
      return call ? 'it arrived' : null;
    case 'throttled':
      return acted ? 'upstream had acted' : null;
    case 'rejected':
    case 'rejected_unclear':
      if (!call) return 'it never arrived';
      return acted ? 'upstream had acted' : null;
    default:
      return null;
  }
}
