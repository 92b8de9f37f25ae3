/**
 * SQL for the budget row `b` of a subject. Its arrays hold the times of the latest sends and wrong codes, the
 * latest last, and no more of them than the limit counts. So one element shows whether a budget has room: the
 * time that is as many places from the end as the limit. PostgreSQL reads an element faster than it counts.
 */

/**
 * The time that must leave its period before the budget has room again; null if the limit is not reached.
 *
 * @param refunded how many of the latest times do not count
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

/** The times with one more, and without those that the limit no longer counts. */
const charged = (times: string, limit: string) =>
  `b.${times}[cardinality(b.${times}) - ${limit} + 2:] || clock_timestamp()`;

export const WITH_SEND = charged('sends', '$sendsPerDay::int');
export const WITH_WRONG_CODE = charged('wrong_codes', '$wrongPerDay::int');

/**
 * When each budget has room for another send.
 *
 * @param refunded the numbers of sends and of wrong codes that the same statement refunds: it reads the row
 *   from before the refund.
 */
export const roomForSendAt = (refunded: { sends?: string; wrongCodes?: string } = {}) => {
  const { sends = '0', wrongCodes = '0' } = refunded;
  return `greatest(
          ${blocking('sends', '$sendsPerWindow::int', sends)} + ${WINDOW},
          ${blocking('sends', '$sendsPerDay::int', sends)} + ${DAY},
          ${blocking('wrong_codes', '$wrongPerDay::int', wrongCodes)} + ${DAY})`;
};
