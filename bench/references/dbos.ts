/**
 * DBOS Transact: each call to the provider is a durable workflow, which stores its input, output and steps.
 * The request waits for it.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { DBOS } from '@dbos-inc/dbos-sdk';
import { fastify, type FastifyRequest } from 'fastify';
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

type OfOne = { id: string };

const databaseUrl = process.env['DATABASE_URL']!;
const database = new Pool({ connectionString: databaseUrl, max: 10 });
await database.query(`
  CREATE TABLE IF NOT EXISTS onboardings (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    user_id uuid NOT NULL,
    state text NOT NULL,
    otp_id text,
    session_id text
  )`);

interface Row extends Subject {
  otpId: string;
  sessionId: string;
}

async function read(id: string): Promise<Row> {
  const text = `
    SELECT account_id AS "accountId", user_id AS "userId", otp_id AS "otpId", session_id AS "sessionId"
    FROM onboardings WHERE id = $1`;
  const { rows } = await database.query<Row>({ name: 'read', text, values: [id] });
  return rows[0]!;
}

async function insert(id: string, { accountId, userId }: Subject, otpId: string): Promise<void> {
  const text = `
    INSERT INTO onboardings (id, account_id, user_id, state, otp_id) VALUES ($1, $2, $3, 'otp_sent', $4)
    ON CONFLICT DO NOTHING`;
  await database.query({ name: 'insert', text, values: [id, accountId, userId, otpId] });
}

async function update(id: string, state: string, sessionId: string | null): Promise<void> {
  const text = 'UPDATE onboardings SET state = $2, session_id = coalesce($3, session_id) WHERE id = $1';
  await database.query({ name: 'update', text, values: [id, state, sessionId] });
}

async function start(id: string, subject: Subject): Promise<void> {
  const { otpId } = await DBOS.runStep(() => submit(INIT_OTP, subject), { name: 'init-otp' });
  await DBOS.runStep(() => insert(id, subject, otpId!), { name: 'save' });
}

async function verify(id: string, otpCode: string): Promise<void> {
  const { accountId, userId, otpId } = await DBOS.runStep(() => read(id), { name: 'read' });
  const call = () => submit(OTP_AUTH, { accountId, userId, otpId, otpCode });
  const { sessionId } = await DBOS.runStep(call, { name: 'verify-otp' });
  await DBOS.runStep(() => update(id, 'otp_verified', sessionId!), { name: 'save' });
}

async function register(id: string, passkeys: GivenPasskey[]): Promise<void> {
  const { accountId, userId, sessionId } = await DBOS.runStep(() => read(id), { name: 'read' });
  const body = { sessionId, accountId, userId, authenticators: passkeys.map(toByzantine) };
  await DBOS.runStep(() => submit(CREATE_AUTHENTICATORS, body), { name: 'create-authenticators' });
  await DBOS.runStep(() => update(id, 'completed', null), { name: 'save' });
}

const workflows = {
  start: DBOS.registerWorkflow(start, { name: 'start' }),
  verify: DBOS.registerWorkflow(verify, { name: 'verify' }),
  register: DBOS.registerWorkflow(register, { name: 'register' }),
};

/** A repeated request finds the result of the first one. */
const named = (request: FastifyRequest) => ({ workflowID: String(request.headers['idempotency-key']) });

const app = fastify();

app.post<{ Body: { subject: Subject } }>('/v1/onboardings', async (request, reply) => {
  const id = randomUUID();
  const workflow = await DBOS.startWorkflow(workflows.start, named(request))(id, request.body.subject);
  await workflow.getResult();
  return reply.code(201).send({ id, state: 'otp_sent' });
});

app.post<{ Params: OfOne; Body: { code: string } }>('/v1/onboardings/:id/otp/verify', async (request) => {
  const { id } = request.params;
  const workflow = await DBOS.startWorkflow(workflows.verify, named(request))(id, request.body.code);
  await workflow.getResult();
  return { id, state: 'otp_verified' };
});

app.post<{ Body: { userName: string } }>('/v1/onboardings/:id/authenticators/options', async (request) =>
  creationOptions(randomBytes(32).toString('base64url'), request.body.userName),
);

app.post<{ Params: OfOne; Body: { authenticators: GivenPasskey[] } }>(
  '/v1/onboardings/:id/authenticators',
  async (request) => {
    const { id } = request.params;
    const { authenticators } = request.body;
    const workflow = await DBOS.startWorkflow(workflows.register, named(request))(id, authenticators);
    await workflow.getResult();
    return { id, state: 'completed' };
  },
);

DBOS.setConfig({
  name: 'bench',
  systemDatabaseUrl: databaseUrl,
  systemDatabasePoolSize: 10,
  logLevel: 'error',
});
await DBOS.launch();
await app.listen({ port: Number(process.env['PORT']), host: '127.0.0.1' });
process.once('disconnect', () => process.exit());
