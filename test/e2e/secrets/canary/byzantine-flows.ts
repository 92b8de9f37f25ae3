import { randomUUID } from 'node:crypto';
import { until } from '#libs/testing';
import { runOut } from '../../../support/time-travel.js';
import { WRONG_CODE, type Canary } from './canary.js';
import { ECHOES, type Echo } from './upstream-mirror.js';

const ECHO_NAMES = Object.keys(ECHOES) as Echo[];

async function passkey(canary: Canary, id: string, lies: object = {}) {
  const made = await canary.story.passkey(id, lies);
  const { attestationObject, clientDataJSON } = made.credential.response;
  canary.secret('attestation', attestationObject, Buffer.from(attestationObject, 'base64url'));
  canary.secret('client data', clientDataJSON, Buffer.from(clientDataJSON, 'base64url'));
  return made;
}

async function sent(canary: Canary, more: object = {}) {
  const subject = canary.story.newSubject();
  const { id } = await canary.story.started(subject, more);
  await canary.story.until(id, 'otp_sent');
  return { id, subject, code: canary.code(subject) };
}

async function verified(canary: Canary, more: object = {}) {
  const begun = await sent(canary, more);
  await canary.story.verify(begun.id, begun.code);
  await canary.story.until(begun.id, 'otp_verified');
  return begun;
}

/** All steps, then an erasure. In each step, the first call fails, and the caller repeats the command. */
async function retries(canary: Canary): Promise<void> {
  const { story } = canary;
  const subject = story.newSubject();
  canary.fault('init-otp', subject, { status: 503, times: 2 });
  const key = () => ({ 'idempotency-key': randomUUID() });
  const startKey = key();
  const { id } = (await story.start(subject, {}, startKey)).body;
  await story.until(id, 'otp_sent');
  await story.start(subject, {}, startKey);
  const code = canary.code(subject);
  canary.fault('otp-auth', subject, {
    status: 500,
    body: `<b>cannot redeem ${code}</b>`,
    contentType: 'text/html',
  });
  const verifyKey = key();
  await story.verify(id, code, { prefer: 'respond-async', ...verifyKey });
  await story.until(id, 'otp_verified');
  await story.verify(id, code, verifyKey);
  await story.verify(id, WRONG_CODE, verifyKey);

  await story.register(id, [await passkey(canary, id, { origin: 'https://evil.example' })]);
  const made = await passkey(canary, id);
  canary.fault('create-authenticators-otp', subject, { status: 503, times: 2 });
  const registerKey = key();
  await story.register(id, [made], registerKey);
  await story.until(id, 'completed');
  await story.register(id, [made], registerKey);
  await story.events(id);
  await story.call('DELETE', `/v1/onboardings/${id}`);
  await story.get(id);
}

async function refusals(canary: Canary): Promise<void> {
  const { story } = canary;
  const { id, subject } = await sent(canary);
  for (let tries = 0; tries < 4; tries += 1) await story.verify(id, WRONG_CODE);
  await story.cooledDown(id);
  await story.resend(id);
  canary.code(subject);
  await story.verify(id, WRONG_CODE);
  await story.events(id);
  await story.resolve(id, 'done');
  await story.cancel(id);
  await story.verify(id, canary.code(subject));
}

/** The provider fails with a text that contains the code. The attempt stays unresolved. */
async function loss(canary: Canary): Promise<void> {
  const { story } = canary;
  const { id, subject, code } = await sent(canary);
  canary.fault('otp-auth', subject, { status: 500, body: `cannot redeem ${code}`, times: 3 });
  await story.verify(id, code);
  await story.until(id, 'outcome_unknown');
  await story.events(id);
}

/** A refusal, a lost answer that an operator resolves, and a parked onboarding that continues. */
async function unclearOutcomes(canary: Canary): Promise<void> {
  const { story } = canary;
  const { id, subject } = await verified(canary);
  const made = await passkey(canary, id);
  const { attestationObject } = made.credential.response;
  canary.fault('create-authenticators-otp', subject, {
    status: 400,
    body: { error: `bad: ${attestationObject}`, status: 400 },
  });
  await story.register(id, [made]);
  canary.fault('create-authenticators-otp', subject, { cut: 'mid-response', times: 2 });
  await story.register(id, [await passkey(canary, id)]);
  await story.until(id, 'outcome_unknown');
  await story.resolve(id, 'not_done');
  canary.fault('create-authenticators-otp', subject, {
    status: 401,
    body: { error: attestationObject, status: 401 },
  });
  await story.register(id, [await passkey(canary, id)], { prefer: 'wait=1' });
  await story.until(id, 'completed'); // parked, probed and unparked
  await story.events(id);
}

async function expiry(canary: Canary): Promise<void> {
  const { story } = canary;
  const [code, session, whole] = await Promise.all([sent(canary), verified(canary), verified(canary)]);
  await runOut(story, code.id, 'code');
  await story.until(code.id, 'otp_needed');
  await story.verify(code.id, code.code);
  const made = await passkey(canary, session.id);
  await runOut(story, session.id, 'session');
  await story.register(session.id, [made]);
  await story.until(session.id, 'otp_needed');
  await runOut(story, whole.id, 'whole');
  await story.until(whole.id, 'expired');
}

/** Leaves an encrypted code and an encrypted passkey in their rows until the run ends. */
async function waiting(canary: Canary): Promise<void> {
  const { story } = canary;
  const [first, second] = await Promise.all([sent(canary), verified(canary)]);
  canary.fault('otp-auth', first.subject, { status: 503, retryAfterS: 60 });
  await story.verify(first.id, first.code, { prefer: 'respond-async' });
  canary.fault('create-authenticators-otp', second.subject, { status: 503, retryAfterS: 60 });
  await story.register(second.id, [await passkey(canary, second.id)], { prefer: 'respond-async' });
}

async function echoed(canary: Canary): Promise<void> {
  const { story } = canary;
  await Promise.all(
    ECHO_NAMES.map(async (echo) => {
      const { id, code } = await sent(canary);
      canary.echo(code, echo);
      await story.verify(id, code);
      await story.get(id);
      await story.events(id);
    }),
  );
  await Promise.all(
    ECHO_NAMES.map(async (echo) => {
      const { id } = await verified(canary);
      const made = await passkey(canary, id);
      canary.echo(made.credential.response.attestationObject, echo);
      await story.register(id, [made], { prefer: 'wait=1' });
      await story.get(id);
      await story.events(id);
    }),
  );
}

/** The remote signer's errors contain the AWS session token of the request. */
async function remoteSigner(canary: Canary): Promise<void> {
  const { story, kms } = canary;
  const { id, code } = await sent(canary, { integration: 'kms' });
  const token = canary.awsSessionToken;
  kms.meet({ error: token, status: 400 }, 2);
  await story.verify(id, code, { prefer: 'respond-async' });
  await until('the signer was asked', () =>
    kms.calls.some(({ headers }) => headers['x-amz-security-token'] === token),
  );
  await story.call('GET', '/health/ready');
  await story.events(id);
}

/** Two groups, because more flows at a time would use up a slow machine's connections to PostgreSQL. */
export async function byzantineFlows(canary: Canary): Promise<void> {
  await Promise.all([retries, refusals, loss, unclearOutcomes, expiry].map((flow) => flow(canary)));
  await Promise.all([waiting, echoed, remoteSigner].map((flow) => flow(canary)));
}
