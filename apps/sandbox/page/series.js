/** @import { JournalEntry } from '../src/control/journal.js' */

/**
 * The tries of one step by one user: a request, and its retries until a final answer.
 *
 * @typedef {{ key: string, route: string, first: JournalEntry, tries: JournalEntry[] }} Series
 */

/** Statuses below 500 after which the caller may send the same request again. */
const RETRYABLE = new Set([408, 425, 429]);

/** @param {JournalEntry['answer']} answer */
const isFinal = (answer) => typeof answer === 'number' && answer < 500 && !RETRYABLE.has(answer);

/**
 * The steps are newest first, by their first try, so that a retry does not change their order. The tries of a
 * step are oldest first.
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
    if (isFinal(request.answer)) open.delete(step);
    else open.set(step, series);
  }
  return all.reverse();
}

/** @param {JournalEntry} request */
function stepOf({ route, userId, accountId, organizationId, contact, otpId }) {
  return JSON.stringify([route, userId, accountId, organizationId, contact, otpId]);
}

/** Contains `at`, because `seq` starts from 1 again after a reset. @param {JournalEntry} request */
export const keyOf = ({ seq, at }) => `${seq} ${at}`;
