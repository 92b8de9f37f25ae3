/**
 * SQL for the budget row `b` of a subject. Its arrays `sends` and `wrong_codes` contain times, latest last.
 * If the limit is n, the n-th time from the end shows whether the budget has room.
 */

/**
 * SQL for the entry that must expire before the budget has room again; null if the limit is not reached.
 *
 * @param refunded how many of the latest entries do not count.
 */
const blocking = (times: string, limit: string, refunded = '0') =>
  `b.${times}[cardinality(b.${times}) - ${refunded} - ${limit} + 1]`;

const hasRoom = (times: string, limit: string, period: string) =>
  `(${blocking(times, limit)} > clock_timestamp() - ${period}) IS NOT TRUE`;

const WINDOW = `$windowMs::float8 * interval '1 millisecond'`;
const DAY = `interval '1 day'`;

export const HAS_ROOM_FOR_SEND = `${hasRoom('sends', '$sendsPerWindow::int', WINDOW)}
        AND ${hasRoom('sends', '$sendsPerDay::int', DAY)}`;
export const HAS_ROOM_FOR_WRONG_CODE = hasRoom('wrong_codes', '$wrongPerDay::int', DAY);

/** Adds the present time, and drops the oldest times beyond the limit. */
const charged = (times: string, limit: string) =>
  `b.${times}[cardinality(b.${times}) - ${limit} + 2:] || clock_timestamp()`;

export const WITH_SEND = charged('sends', '$sendsPerDay::int');
export const WITH_WRONG_CODE = charged('wrong_codes', '$wrongPerDay::int');

/**
 * SQL for the time when all budgets have room for another send.
 *
 * @param refunded what the same statement refunds, because this SQL reads the row without the refund.
 */
export const roomForSendAt = (refunded: { sends?: string; wrongCodes?: string } = {}) => {
  const { sends = '0', wrongCodes = '0' } = refunded;
  return `greatest(
          ${blocking('sends', '$sendsPerWindow::int', sends)} + ${WINDOW},
          ${blocking('sends', '$sendsPerDay::int', sends)} + ${DAY},
          ${blocking('wrong_codes', '$wrongPerDay::int', wrongCodes)} + ${DAY})`;
};
