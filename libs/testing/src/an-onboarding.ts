import { randomUUID } from 'node:crypto';
import { timeOfUuidV7, uuidV7 } from '#libs/kernel';

/** A time relative to the clock of the database. */
export interface FromNow {
  inMs: number;
}

/** A negative `ms` means the past. */
export const inMs = (ms: number): FromNow => ({ inMs: ms });

export interface Database {
  query(text: string, values: unknown[]): Promise<unknown>;
}

/**
 * Inserts an onboarding whose code was sent and is not entered yet, and that has reached no limit.
 *
 * @param columns replace the defaults. Times may be given with {@link inMs}.
 * @returns the id of the onboarding.
 */
export async function anOnboarding(
  database: Database,
  columns: Record<string, unknown> = {},
): Promise<string> {
  const subject = { accountId: randomUUID(), userId: randomUUID() };
  const id = String(columns['id'] ?? uuidV7(Date.now()));
  const row: Record<string, unknown> = {
    id,
    created_at: new Date(timeOfUuidV7(id)),
    integration: 'byzantine',
    provider: 'byzantine',
    subject,
    subject_key: `${subject.accountId}/${subject.userId}`,
    state: 'otp_sent',
    otp_handle: 'otp-of-a-test',
    otp_sends: 1,
    otp_sent_at: inMs(0),
    otp_expires_at: inMs(300_000),
    otp_resend_at: inMs(60_000),
    otp_tries_left: 3,
    idle_ends_at: inMs(1_800_000),
    life_ends_at: inMs(86_400_000),
    ...columns,
  };
  const values: unknown[] = [];
  const texts = Object.values(row).map((value) => {
    if (isFromNow(value))
      return `clock_timestamp() + $${values.push(value.inMs)}::float8 * interval '1 millisecond'`;
    return `$${values.push(isJson(value) ? JSON.stringify(value) : value)}`;
  });
  await database.query(
    `INSERT INTO onboardings (${Object.keys(row).join(', ')}) VALUES (${texts.join(', ')})`,
    values,
  );
  await lookAgain(database, String(row['id']));
  return String(row['id']);
}

/**
 * Sets what the store sets with each write: `due_at`, when a worker must look at the row again, and
 * `live_id`, the subject's live onboarding.
 *
 * @param id null for all onboardings.
 */
export async function lookAgain(database: Database, id: string | null = null): Promise<void> {
  await database.query(
    `UPDATE onboardings o SET due_at = CASE
      WHEN o.state IN ('completed', 'failed', 'expired', 'cancelled')
        THEN CASE WHEN o.anchored_seq IS NOT DISTINCT FROM o.last_seq THEN NULL ELSE clock_timestamp() END
      WHEN o.lease_until IS NOT NULL THEN o.lease_until
      ELSE least(
        CASE WHEN o.parked_reason IS NULL THEN o.next_attempt_at END,
        CASE WHEN o.state IN ('otp_sent', 'otp_submitted') THEN o.otp_expires_at
          WHEN o.state IN ('otp_verified', 'authenticators_submitted') THEN o.session_ends_at END,
        CASE WHEN o.state <> 'outcome_unknown' THEN o.idle_ends_at END,
        o.life_ends_at) END
    WHERE $1::uuid IS NULL OR o.id = $1::uuid`,
    [id],
  );
  await database.query(
    `INSERT INTO otp_budgets AS b (integration, subject_key, live_id)
    SELECT o.integration, o.subject_key, o.id FROM onboardings o
    WHERE o.state NOT IN ('completed', 'failed', 'expired', 'cancelled')
      AND ($1::uuid IS NULL OR o.id = $1::uuid)
    ON CONFLICT (integration, subject_key) DO UPDATE SET live_id = excluded.live_id`,
    [id],
  );
}

const isJson = (value: unknown) =>
  typeof value === 'object' && value !== null && !(value instanceof Date) && !Buffer.isBuffer(value);

const isFromNow = (value: unknown): value is FromNow => isJson(value) && 'inMs' in (value as object);
