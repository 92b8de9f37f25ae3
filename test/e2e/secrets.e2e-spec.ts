import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DataKeys, openGrant } from '#libs/onboarding';
import { Sealer } from '#libs/platform';
import { until } from '#libs/testing';
import { AppProcess } from './app-process.js';
import { SecretHunt } from './secret-hunt.js';
import { Sinks } from './sinks.js';
import { API_KEY, OPS_PASSWORD, Story, type Subject } from './story.js';

/** As long as a code may be, and like nothing else. */
const WRONG_CODE = 'Canary7X9';
/** What every attestation object begins with: a map of fmt "none", attStmt and authData. */
const ATTESTATION = Buffer.from('a363666d74646e6f6e65', 'hex');

let story: Story;
let service: AppProcess;
let worker: AppProcess;
let sinks: Sinks;
const hunt = new SecretHunt();
const answers: string[] = [];

/** The session that an onboarding holds, opened with the key that only service and worker have. */
async function sessionOf(id: string): Promise<string> {
  const [row] = await story.sql<{ sealed: Buffer; sealedDataKey: Buffer }>(
    'SELECT sealed_grant AS sealed, sealed_data_key AS "sealedDataKey" FROM onboardings WHERE id = $1',
    [id],
  );
  const [keyId, key] = story.env['SEALING_KEYS']!.split(':');
  const ring = new Sealer([{ id: keyId!, key: Buffer.from(key!, 'base64') }]);
  const { sealed, sealedDataKey } = row!;
  const grant = openGrant(new DataKeys(ring).of({ id, sealedDataKey }), id, sealed);
  if (grant.type !== 'upstream-session') throw new Error('no session');
  return grant.sessionId.reveal();
}

const fault = (route: string, { userId }: Subject, spec: object) =>
  story.sandbox.control.addFault({ route, match: { userId }, ...spec });

let codes = 0;
function codeOf(subject: Subject): string {
  const code = story.code(subject);
  hunt.add(`code ${(codes += 1)}`, code);
  return code;
}

/** All three steps, each failing first, the last one told in the provider's words what it was sent. */
async function withRetries(): Promise<void> {
  const subject = story.newSubject();
  fault('init-otp', subject, { status: 503, times: 2 });
  const { id } = (await story.start(subject)).body;
  await story.until(id, 'otp_sent');
  const code = codeOf(subject);

  fault('otp-auth', subject, {
    status: 500,
    body: `<html>cannot redeem ${code}</html>`,
    contentType: 'text/html',
  });
  await story.verify(id, code, { prefer: 'respond-async' });
  await story.until(id, 'otp_verified');
  const session = await sessionOf(id);
  hunt.add('session', session);

  const refused = await story.passkey(id, { origin: 'https://evil.example' });
  await story.register(id, [refused]);
  const passkey = await story.passkey(id);
  hunt.add('attestation object', passkey.credential.response.attestationObject);
  hunt.add('client data', passkey.credential.response.clientDataJSON);
  const { attestationObject } = passkey.credential.response;
  const echo = { error: `session ${session} failed for ${attestationObject}`, status: 500 };
  fault('create-authenticators-otp', subject, { status: 500, body: echo, times: 2 });
  await story.register(id, [passkey]);
  await story.until(id, 'completed');
  await story.events(id);
}

/** Wrong codes, told in every way that an upstream has. */
async function withRefusals(): Promise<void> {
  const { id, subject } = await story.sent();
  await story.verify(id, WRONG_CODE);
  fault('otp-auth', subject, { status: 400, body: { error: `no such code: ${WRONG_CODE}`, status: 400 } });
  await story.verify(id, WRONG_CODE);
  fault('otp-auth', subject, {
    status: 200,
    body: { session: WRONG_CODE, sessionId: 7, expiresAt: WRONG_CODE },
  });
  await story.verify(id, WRONG_CODE);
  await story.events(id);
  await story.resolve(id, 'done');
  await story.cancel(id);
}

/** A verification lost to an upstream that tells in its errors what it was sent; nobody resolves it. */
async function withLoss(): Promise<void> {
  const { id, subject } = await story.sent();
  const code = codeOf(subject);
  fault('otp-auth', subject, { status: 500, body: `cannot redeem ${code}`, times: 3 });
  await story.verify(id, code);
  await story.until(id, 'outcome_unknown');
  await story.events(id);
}

/** Step 3 refused with an echo, then lost, then resolved; then parked for a while. */
async function withDoubt(): Promise<void> {
  const { id, subject } = await story.verified();
  hunt.add('session in doubt', await sessionOf(id));
  hunt.add('code in doubt', story.code(subject));
  const passkey = await story.passkey(id);
  const echo = { error: `bad: ${passkey.credential.response.attestationObject}`, status: 400 };
  fault('create-authenticators-otp', subject, { status: 400, body: echo });
  await story.register(id, [passkey]);
  fault('create-authenticators-otp', subject, { cut: 'mid-response', times: 2 });
  await story.register(id, [await story.passkey(id)]);
  await story.until(id, 'outcome_unknown');
  await story.get(id);
  await story.resolve(id, 'not_done');

  fault('create-authenticators-otp', subject, {
    status: 401,
    body: { error: await sessionOf(id), status: 401 },
  });
  await story.register(id, [await story.passkey(id)], { prefer: 'wait=1' });
  await story.until(id, 'completed'); // parked, probed and taken up again
  await story.events(id);
}

/** A secret in a place where it does not belong. */
async function misplaced(): Promise<void> {
  const { id } = await story.sent();
  const path = `/v1/onboardings/${id}/otp/verify`;
  for (const body of [
    `{"code": ${WRONG_CODE}}`,
    `{"code": "${WRONG_CODE}`,
    `"${WRONG_CODE}"`,
    { code: `${WRONG_CODE}${WRONG_CODE}` },
    { code: [WRONG_CODE] },
    { otp: { code: WRONG_CODE } },
  ]) {
    await story.call('POST', path, body);
  }
  await story.call('POST', path, `code=${WRONG_CODE}`, {
    'content-type': 'application/x-www-form-urlencoded',
  });
  await story.call('POST', path, { code: WRONG_CODE }, { authorization: `Bearer ${WRONG_CODE}` });
  await story.call('GET', '/v1/onboardings', undefined, { authorization: `Basic ${WRONG_CODE}` });
  await story.cancel(id);
}

beforeAll(async () => {
  story = await Story.begin({ worker: false });
  sinks = await Sinks.open(story);
  [service, worker] = await Promise.all([
    AppProcess.start(story, 'onboarding', { LOG_LEVEL: 'debug' }),
    AppProcess.start(story, 'worker', { LOG_LEVEL: 'debug' }),
  ]);
  story.serviceUrl = service.url;

  const { call } = story;
  story.call = async function <Body>(this: Story, ...args: Parameters<Story['call']>) {
    const answer = await call.apply(this, args);
    answers.push(`${JSON.stringify([...answer.headers])} ${JSON.stringify(answer.body)}`);
    return answer as Awaited<ReturnType<typeof call<Body>>>;
  } as Story['call'];

  const key = story.env['INTEGRATION_BYZANTINE_PRIVATE_KEY']!.replace(/^0x/, '');
  hunt
    .add('API key', API_KEY)
    .add("operator's password", OPS_PASSWORD)
    .add('signing key', key, Buffer.from(key, 'hex'))
    .add('sealing key', story.env['SEALING_KEYS']!.split(':')[1]!, Buffer.alloc(32, 7))
    .add('wrong code', WRONG_CODE)
    .add('any attestation', ATTESTATION.toString('base64url'), ATTESTATION);
  await Promise.all([withRetries(), withRefusals(), withLoss(), withDoubt(), misplaced()]);
}, 30_000);

afterAll(async () => {
  sinks?.close();
  await story.end();
});

describe('no code, session, attestation or key', () => {
  it('lies in Redis, or was ever sent there', async () => {
    const dump = await sinks.redisDump();
    // What is looked through is what there is: the retries went over the queue.
    expect(dump).toMatch(/"name":"create-authenticators"/);
    expect(sinks.sentToRedis()).toMatch(/onboardingId/);
    expect(hunt.in(dump)).toEqual([]);
    expect(hunt.in(sinks.sentToRedis())).toEqual([]);
  });

  it('lies open in PostgreSQL', async () => {
    const { id, subject } = await story.verified();
    hunt.add('session that is open', await sessionOf(id)).add('its code', story.code(subject));
    fault('create-authenticators-otp', subject, { status: 503, retryAfterS: 60 });
    await story.register(id, [await story.passkey(id)]);
    const dump = await sinks.databaseDump();
    expect(dump).toContain(id);
    expect(dump).toMatch(/attempt_ended/);
    const [row] = await story.sql<{ count: number }>(
      'SELECT num_nonnulls(sealed_grant, sealed_authenticators) AS count FROM onboardings WHERE id = $1',
      [id],
    );
    expect(row!.count).toBe(2);
    expect(hunt.in(dump)).toEqual([]);
  });

  it('is in what service and worker log, whatever the level', async () => {
    const id = randomUUID();
    await story.get(id);
    await until('the request in the log', () => service.said.includes(id));
    expect(worker.said.length).toBeGreaterThan(0);
    expect(hunt.in(service.said)).toEqual([]);
    expect(hunt.in(worker.said)).toEqual([]);
  });

  it('is in what a caller is told', () => {
    expect(answers.length).toBeGreaterThan(40);
    const told = answers.join('\n');
    for (const code of [
      'otp_invalid',
      'validation_failed',
      'unauthenticated',
      'attestation_invalid',
      'outcome_unknown',
    ]) {
      expect(told).toContain(`"code":"${code}"`);
    }
    expect(hunt.in(told)).toEqual([]);
  });

  it('would be overlooked: the hunt finds each in all of its forms', () => {
    const secret = 'a secret of 24 characters';
    const one = new SecretHunt().add('secret', secret);
    const forms = [
      `x${secret}y`,
      Buffer.from(`{"a":"${secret}"}`).toString('base64'),
      Buffer.from(`{"ab":"${secret}"}`).toString('base64url'),
      Buffer.from(`{"abc":"${secret}"}`).toString('base64'),
      Buffer.from(secret).toString('hex'),
    ];
    expect(forms.map((form) => one.in(form).length)).toEqual(forms.map(() => 1));
    const code = new SecretHunt().add('code', '123456');
    expect(['"123456"', ' 123456,', '=123456'].map((text) => code.in(text).length)).toEqual([1, 1, 1]);
    expect(code.in('12:00:00.123456+00 99123456 0123456-7')).toEqual([]);
    expect(hunt.names.length).toBeGreaterThan(10);
  });
});
