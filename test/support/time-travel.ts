import { lookAgain } from '#libs/testing';
import type { Story, Subject } from './story.js';

/** Lets time pass for an onboarding and its subject's budgets: moves their timestamps into the past. */
export async function elapse(
  story: Story,
  id: string,
  { accountId, userId }: Subject,
  ms: number,
): Promise<void> {
  const columns = await story.sql<{ name: string }>(
    `SELECT column_name AS name FROM information_schema.columns
     WHERE table_name = 'onboardings' AND data_type LIKE 'timestamp%' AND is_generated = 'NEVER'`,
  );
  const by = `interval '${ms} milliseconds'`;
  const earlier = columns.map(({ name }) => `${name} = ${name} - ${by}`).join(', ');
  await story.sql(`UPDATE onboardings SET ${earlier} WHERE id = $1`, [id]);
  await story.sql(`UPDATE webauthn_challenges SET expires_at = expires_at - ${by} WHERE onboarding_id = $1`, [
    id,
  ]);
  await story.sql(
    `UPDATE otp_budgets SET
       sends = ARRAY(SELECT t - ${by} FROM unnest(sends) t ORDER BY t),
       wrong_codes = ARRAY(SELECT t - ${by} FROM unnest(wrong_codes) t ORDER BY t)
     WHERE subject_key = $1`,
    [`${accountId}/${userId}`],
  );
}

/** The deadlines of the code, of the session, of an idle user, and of the whole onboarding. */
export type Life = 'code' | 'session' | 'idle' | 'whole';

const ENDS: Record<Life, string> = {
  code: 'otp_expires_at',
  session: 'session_ends_at',
  idle: 'idle_ends_at',
  whole: 'life_ends_at',
};

/** Moves a deadline to `inMs` from now. */
export async function runOut(story: Story, id: string, life: Life, inMs = 0): Promise<void> {
  const at = `clock_timestamp() + interval '${inMs} milliseconds'`;
  await story.sql(`UPDATE onboardings SET ${ENDS[life]} = ${at} WHERE id = $1`, [id]);
  await storyLooksAgain(story, id);
}

/** Ends the cooldown after a code. */
export async function mayResend(story: Story, id: string): Promise<void> {
  await story.sql('UPDATE onboardings SET otp_resend_at = clock_timestamp() WHERE id = $1', [id]);
}

/** Ends all leases, as if the processes that hold them had died. */
export async function lapseLeases(story: Story): Promise<void> {
  await story.sql('UPDATE onboardings SET lease_until = clock_timestamp() WHERE lease_until IS NOT NULL');
  await storyLooksAgain(story);
}

/** Makes the step's next try due now, even if the provider asked for a wait. */
export async function retryNow(story: Story, id: string): Promise<void> {
  await story.sql('UPDATE onboardings SET next_attempt_at = clock_timestamp() WHERE id = $1', [id]);
  await storyLooksAgain(story, id);
}

/** Computes `due_at` again, after a test has changed a row by SQL. A null `id` means all rows. */
export const storyLooksAgain = (story: Story, id: string | null = null): Promise<void> =>
  lookAgain({ query: (text, values) => story.sql(text, values) }, id);
