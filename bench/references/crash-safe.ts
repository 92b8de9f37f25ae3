/**
 * The relay with crash-safe persistence: before each request to the provider, and after the answer, one
 * statement writes the row and its timeline event.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { fastify } from 'fastify';
import { Pool } from 'pg';
import {
  CREATE_AUTHENTICATORS,
  INIT_OTP,
  OTP_AUTH,
  creationOptions,
  submit,
  toByzantine,
  type GivenPasskey,
  type Subject,
} from './byzantine.js';

interface Row extends Subject {
  otpId: string;
  sessionId: string;
}
type OfOne = { id: string };

const database = new Pool({ connectionString: process.env['DATABASE_URL'], max: 10 });
await database.query(`
  CREATE TABLE IF NOT EXISTS onboardings (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    user_id uuid NOT NULL,
    state text NOT NULL,
    attempt int NOT NULL DEFAULT 0,
    leased_until timestamptz,
    otp_id text,
    session_id text,
    updated_at timestamptz NOT NULL DEFAULT now()
  );
  CREATE TABLE IF NOT EXISTS events (
    onboarding_id uuid NOT NULL,
    attempt int NOT NULL,
    type text NOT NULL,
    at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (onboarding_id, attempt, type)
  )`);

const STATEMENTS = {
  start: `
    WITH row AS (
      INSERT INTO onboardings (id, account_id, user_id, state, attempt, leased_until)
      VALUES ($1, $2, $3, 'otp_requested', 1, now() + interval '30 s')
      RETURNING id, attempt
    )
    INSERT INTO events (onboarding_id, attempt, type) SELECT id, attempt, 'attempt_started' FROM row`,
  claim: `
    WITH row AS (
      UPDATE onboardings
      SET state = $3, attempt = attempt + 1, leased_until = now() + interval '30 s', updated_at = now()
      WHERE id = $1 AND state = $2
      RETURNING *
    ), event AS (
      INSERT INTO events (onboarding_id, attempt, type) SELECT id, attempt, 'attempt_started' FROM row
    )
    SELECT account_id AS "accountId", user_id AS "userId", otp_id AS "otpId", session_id AS "sessionId"
    FROM row`,
  settle: `
    WITH row AS (
      UPDATE onboardings
      SET state = $3, leased_until = NULL, updated_at = now(),
          otp_id = coalesce($4, otp_id), session_id = coalesce($5, session_id)
      WHERE id = $1 AND state = $2
      RETURNING id, attempt
    )
    INSERT INTO events (onboarding_id, attempt, type) SELECT id, attempt, 'attempt_ended' FROM row`,
};

async function write(name: keyof typeof STATEMENTS, values: (string | null)[]): Promise<Row> {
  const { rows, rowCount } = await database.query<Row>({ name, text: STATEMENTS[name], values });
  if (rowCount !== 1) throw new Error(`${name}: the onboarding is in another state`);
  return rows[0]!;
}

const app = fastify();

app.post<{ Body: { subject: Subject } }>('/v1/onboardings', async (request, reply) => {
  const { accountId, userId } = request.body.subject;
  const id = randomUUID();
  await write('start', [id, accountId, userId]);
  const { otpId } = await submit(INIT_OTP, { accountId, userId });
  await write('settle', [id, 'otp_requested', 'otp_sent', otpId!, null]);
  return reply.code(201).send({ id, state: 'otp_sent' });
});

app.post<{ Params: OfOne; Body: { code: string } }>('/v1/onboardings/:id/otp/verify', async (request) => {
  const { id } = request.params;
  const { accountId, userId, otpId } = await write('claim', [id, 'otp_sent', 'otp_submitted']);
  const answer = await submit(OTP_AUTH, { accountId, userId, otpId, otpCode: request.body.code });
  await write('settle', [id, 'otp_submitted', 'otp_verified', null, answer['sessionId']!]);
  return { id, state: 'otp_verified' };
});

app.post<{ Body: { userName: string } }>('/v1/onboardings/:id/authenticators/options', async (request) =>
  creationOptions(randomBytes(32).toString('base64url'), request.body.userName),
);

app.post<{ Params: OfOne; Body: { authenticators: GivenPasskey[] } }>(
  '/v1/onboardings/:id/authenticators',
  async (request) => {
    const { id } = request.params;
    const row = await write('claim', [id, 'otp_verified', 'authenticators_submitted']);
    const { accountId, userId, sessionId } = row;
    const authenticators = request.body.authenticators.map(toByzantine);
    await submit(CREATE_AUTHENTICATORS, { sessionId, accountId, userId, authenticators });
    await write('settle', [id, 'authenticators_submitted', 'completed', null, null]);
    return { id, state: 'completed' };
  },
);

await app.listen({ port: Number(process.env['PORT']), host: '127.0.0.1' });
process.once('disconnect', () => process.exit());
