/** @import { JournalEntry } from '../src/control/journal.js' */

/**
 * The tries of one user's one step: a request, and those that came because it was not answered for good.
 *
 * @typedef {{ key: string, route: string, first: JournalEntry, tries: JournalEntry[] }} Series
 */

/** Answers that say nothing about the request itself, so that it may well be sent again. */
const AGAIN = new Set([408, 425, 429]);

/** @param {JournalEntry['answer']} answer */
const isForGood = (answer) => typeof answer === 'number' && answer < 500 && !AGAIN.has(answer);

/**
 * Puts the tries of a step together, oldest first; the steps stand by their first try, newest first, so that a
 * step does not move when it is tried again.
 *
 * @param {readonly JournalEntry[]} requests newest first
 * @returns {Series[]}
 */
export function seriesOf(requests) {
  /** @type {Series[]} */
  const all = [];
  /** @type {Map<string, Series>} */
  const open = new Map();
  for (const request of requests.toReversed()) {
    const step = stepOf(request);
    const before = open.get(step);
    if (before) before.tries.push(request);
    const series = before ?? { key: keyOf(request), route: request.route, first: request, tries: [request] };
    if (!before) all.push(series);
    if (isForGood(request.answer)) open.delete(step);
    else open.set(step, series);
  }
  return all.reverse();
}

/** @param {JournalEntry} request */
function stepOf({ route, userId, accountId, organizationId, contact, otpId }) {
  return JSON.stringify([route, userId, accountId, organizationId, contact, otpId]);
}

/**
 * The number alone counts from 1 again after a reset.
 *
 * @param {JournalEntry} request
 */
export const keyOf = ({ seq, at }) => `${seq} ${at}`;
