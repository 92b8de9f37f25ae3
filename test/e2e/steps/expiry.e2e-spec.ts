import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Queue } from 'bullmq';
import { emptyDatabase, until } from '#libs/testing';
import { SITUATIONS, isInDoubt, stateOf, type Situation } from '../../support/situations.js';
import { Story, type Answer } from '../../support/story.js';
import { type Life, mayResend, runOut } from '../../support/time-travel.js';
import { momentsOf } from '../../support/moments.js';

interface Outcome {
  state: string;
  reason: string | null;
  signal: string;
}

const EXPIRED: Outcome = { state: 'expired', reason: null, signal: 'expired' };
const CODE_GONE: Outcome = { state: 'otp_needed', reason: 'otp_expired', signal: 'otp_expired' };
const SESSION_GONE: Outcome = { state: 'otp_needed', reason: 'session_expired', signal: 'session_expired' };
const LOST: Outcome = { state: 'outcome_unknown', reason: null, signal: 'outcome_lost' };

/** The outcome of each state when the code, the session, the onboarding or its idle time ends. */
const ENDS: [Situation, Life, Outcome][] = [
  ['otp_requested, waiting for its retry', 'idle', EXPIRED],
  ['otp_requested, waiting for its retry', 'whole', EXPIRED],
  ['otp_sent', 'code', CODE_GONE],
  ['otp_sent', 'idle', EXPIRED],
  ['otp_sent', 'whole', EXPIRED],
  ['otp_needed, after a resend that was refused', 'idle', EXPIRED],
  ['otp_needed, after a resend that was refused', 'whole', EXPIRED],
  ['otp_submitted, waiting for its retry', 'code', CODE_GONE],
  ['otp_submitted, waiting for its retry', 'idle', EXPIRED],
  ['otp_submitted, waiting for its retry', 'whole', EXPIRED],
  ['otp_submitted, waiting for its retry, outcome unknown', 'code', LOST],
  ['otp_submitted, waiting for its retry, outcome unknown', 'idle', EXPIRED],
  ['otp_submitted, waiting for its retry, outcome unknown', 'whole', EXPIRED],
  ['otp_verified', 'session', SESSION_GONE],
  ['otp_verified', 'idle', EXPIRED],
  ['otp_verified', 'whole', EXPIRED],
  ['authenticators_submitted, waiting for its retry', 'session', SESSION_GONE],
  ['authenticators_submitted, waiting for its retry', 'idle', EXPIRED],
  ['authenticators_submitted, waiting for its retry', 'whole', EXPIRED],
  ['authenticators_submitted, waiting for its retry, outcome unknown', 'session', LOST],
  ['authenticators_submitted, waiting for its retry, outcome unknown', 'idle', EXPIRED],
  ['authenticators_submitted, waiting for its retry, outcome unknown', 'whole', EXPIRED],
  ['outcome_unknown, after verify-otp', 'whole', EXPIRED],
  ['outcome_unknown, after create-authenticators', 'whole', EXPIRED],
];

/** Deadlines that change nothing, because the unknown outcome must be resolved first. */
const OUTLASTED: [Situation, Life][] = [
  ['outcome_unknown, after verify-otp', 'code'],
  ['outcome_unknown, after verify-otp', 'idle'],
  ['outcome_unknown, after create-authenticators', 'session'],
  ['outcome_unknown, after create-authenticators', 'idle'],
];

let story: Story;

async function idsIn(state: string, userId: string): Promise<string[]> {
  const path = `/v1/onboardings?state=${state}&userId=${userId}`;
  const { body } = await story.call<{ items: { id: string }[] }>('GET', path);
  return body.items.map(({ id }) => id);
}

async function sealedFields(id: string): Promise<string[]> {
  const [row] = await story.sql<Record<string, unknown>>(
    `SELECT sealed_otp_code AS code, sealed_grant AS grant, sealed_authenticators AS authenticators
     FROM onboardings WHERE id = $1`,
    [id],
  );
  return Object.keys(row!).filter((field) => row![field] !== null);
}

const told = ({ status, body }: Answer) => `${status} ${body.code}`;

async function refusals(id: string): Promise<Record<string, string>> {
  const passkey = {
    authenticatorName: 'none',
    credential: {
      id: 'AA',
      rawId: 'AA',
      type: 'public-key',
      response: { clientDataJSON: 'AA', attestationObject: 'AA' },
    },
  };
  const options = story.call('POST', `/v1/onboardings/${id}/authenticators/options`, { userName: 'ana' });
  return {
    options: told(await options),
    authenticators: told(await story.register(id, [passkey])),
    verify: told(await story.verify(id, '123456')),
  };
}

describe('the service without a worker', () => {
  beforeAll(async () => {
    story = await Story.begin({ worker: false });
  });
  afterAll(() => story.end());

  it.each(ENDS)(
    'shows at the next read that a lifetime has ended: state %s, lifetime %s',
    async (situation, life, { state, reason, signal }) => {
      const { id, subject } = await SITUATIONS[situation](story);
      const before = (await story.get(id)).body;
      expect(before.state).toBe(stateOf(situation));
      await runOut(story, id, life);

      const { body, headers } = await story.get(id);
      expect(body).toMatchObject({
        state,
        reason,
        session: state === 'outcome_unknown' ? before.session : null,
      });
      expect(body.nextAction.type).toBe(
        { expired: 'none', otp_needed: 'resend_otp', outcome_unknown: 'resolve' }[state],
      );
      expect(body.unresolved).toEqual(before.unresolved);
      expect(body.unresolved !== null).toBe(isInDoubt(situation));
      expect(body.version).toBe(before.version + 1);
      expect(headers.get('etag')).toBe(`"${body.version}"`);

      expect(await idsIn(state, subject.userId)).toEqual([id]);
      if (before.state !== state) expect(await idsIn(before.state, subject.userId)).toEqual([]);

      const refusal = {
        expired: '410 onboarding_ended',
        otp_needed: `410 ${reason}`,
        outcome_unknown: '409 outcome_unknown',
      }[state]!;
      expect(await refusals(id)).toEqual({ options: refusal, authenticators: refusal, verify: refusal });
      if (state === 'expired') {
        for (const answer of [await story.resend(id), await story.cancel(id)])
          expect(told(answer)).toBe(refusal);
      }

      // The first refused command has written the expiry, which the earlier read had already shown.
      expect((await story.get(id)).body).toMatchObject({ state, reason, version: body.version });
      expect((await story.eventTypes(id)).filter((type) => type === signal)).toEqual([signal]);
      expect(await sealedFields(id)).toEqual(
        signal === 'outcome_lost' && life === 'session' ? ['grant'] : [],
      );
    },
  );

  it.each(OUTLASTED)(
    'leaves an onboarding unchanged: state %s, although its lifetime has ended: %s',
    async (situation, life) => {
      const { id, subject } = await SITUATIONS[situation](story);
      const { body: before } = await story.get(id);
      await runOut(story, id, life);
      expect((await story.get(id)).body).toMatchObject({ state: 'outcome_unknown', version: before.version });
      expect(await idsIn('outcome_unknown', subject.userId)).toEqual([id]);
    },
  );

  it.each<['otp_sent' | 'otp_verified', Life, string, string, object]>([
    ['otp_sent', 'code', 'verify', '410 otp_expired', { type: 'resend_otp' }],
    ['otp_sent', 'whole', 'verify', '410 onboarding_ended', { type: 'none' }],
    ['otp_sent', 'whole', 'resend', '410 onboarding_ended', { type: 'none' }],
    ['otp_verified', 'session', 'options', '410 session_expired', { type: 'resend_otp' }],
    ['otp_verified', 'session', 'authenticators', '410 session_expired', { type: 'resend_otp' }],
    ['otp_verified', 'whole', 'authenticators', '410 onboarding_ended', { type: 'none' }],
  ])(
    'makes no call that could outlast a lifetime: state %s, lifetime %s, command %s',
    async (state, life, command, refusal, nextAction) => {
      const { id, subject } = await SITUATIONS[state](story);
      const passkey = state === 'otp_verified' ? await story.passkey(id) : null;
      const calls = story.journal(subject).length;
      const callMs = Number(story.env['CALL_TIMEOUT_MS']);
      await mayResend(story, id);
      await runOut(story, id, life, callMs - 100);
      const commands: Record<string, () => Promise<Answer>> = {
        verify: () => story.verify(id, story.code(subject)),
        resend: () => story.resend(id),
        authenticators: () => story.register(id, [passkey]),
        options: () =>
          story.call('POST', `/v1/onboardings/${id}/authenticators/options`, { userName: 'ana' }),
      };
      const answer = await commands[command]!();
      expect(told(answer)).toBe(refusal);
      expect(answer.body).toMatchObject({ state, nextAction });
      expect((await story.get(id)).body).toMatchObject({ state, nextAction });
      expect(story.journal(subject)).toHaveLength(calls);
    },
  );

  it('permits a resend immediately if the code’s time left is too short for a call', async () => {
    const { id } = await story.sent();
    await mayResend(story, id);
    await runOut(story, id, 'code', Number(story.env['CALL_TIMEOUT_MS']) - 100);
    expect((await story.resend(id)).body).toMatchObject({ state: 'otp_sent', otp: { attemptsLeft: 3 } });
  });

  it('permits another start immediately if the onboarding has expired', async () => {
    const { id, subject } = await story.sent();
    await runOut(story, id, 'idle');
    expect((await story.start(subject)).status).toBe(201);
    expect((await story.eventTypes(id)).slice(-1)).toEqual(['expired']);
  });

  it('permits a resend after an expired code, and after an expired session', async () => {
    const { id, subject } = await story.sent();
    await runOut(story, id, 'code');
    await mayResend(story, id);
    expect((await story.resend(id)).body).toMatchObject({ state: 'otp_sent', otp: { attemptsLeft: 3 } });
    expect((await story.verify(id, story.code(subject))).status).toBe(200);
    await runOut(story, id, 'session');
    await mayResend(story, id);
    expect((await story.resend(id)).body).toMatchObject({ state: 'otp_sent', session: null });
  });

  it('lets no code expire while a call is in flight', async () => {
    const { id, subject } = await story.sent();
    const { userId } = subject;
    story.sandbox.control.addFault({ route: 'otp-auth', match: { userId }, delayMs: 2_500, status: 500 });
    await story.verify(id, story.code(subject), { prefer: 'respond-async' });
    await story.until(id, () => story.calls(subject, 'otp-auth') === 1);
    await runOut(story, id, 'code');
    expect((await story.get(id)).body).toMatchObject({
      state: 'otp_submitted',
      nextAction: { type: 'wait' },
    });
    expect(told(await story.verify(id, story.code(subject)))).toBe('409 step_in_progress');

    // After the server error, no time is left for a retry.
    const { unresolved } = await story.until(id, 'outcome_unknown');
    expect(unresolved).toMatchObject({ step: 'verify-otp' });
  });

  it('restarts the idle time with each accepted command, but not the whole lifetime', async () => {
    const { id, subject } = await story.sent();
    await story.sql(
      `UPDATE onboardings SET idle_ends_at = clock_timestamp() + interval '30 s',
         life_ends_at = clock_timestamp() + interval '10 min' WHERE id = $1`,
      [id],
    );
    const [before] = await story.sql<{ life: Date }>(
      'SELECT life_ends_at AS life FROM onboardings WHERE id = $1',
      [id],
    );
    await story.verify(id, story.wrongCode(subject));
    const [after] = await story.sql<{ idleS: number; life: Date }>(
      `SELECT extract(epoch FROM idle_ends_at - clock_timestamp())::int AS "idleS", life_ends_at AS life
       FROM onboardings WHERE id = $1`,
      [id],
    );
    expect(after!.idleS).toBeGreaterThan(1_700);
    expect(after!.life).toEqual(before!.life);
  });
});

describe('configured lifetimes', () => {
  beforeAll(async () => {
    story = await Story.begin({
      worker: false,
      sandbox: { sessionLifeMs: 60_000 },
      env: {
        CALL_TIMEOUT_MS: '2000',
        CLAIM_MAX_AGE_MS: '1900',
        OTP_LIFE_MS: '4500',
        SESSION_MARGIN_MS: '55500',
        ONBOARDING_IDLE_MS: '60000',
      },
    });
  });
  afterAll(() => story.end());

  it('end a code exactly at the time that the answer named', async () => {
    const { id } = await story.sent();
    const { body } = await story.get(id);
    const end = Date.parse(body.otp.expiresAt!);
    expect(end - Date.parse(body.otp.sentAt!)).toBe(4_500);
    const lastCall = Date.parse(momentsOf(body).before!);
    expect(end - lastCall).toBe(2_000);
    const over = await until('the end of the code', async () => {
      const beganAt = Date.now();
      const { state, nextAction } = (await story.get(id)).body;
      if (state !== 'otp_sent') return { state };
      // Both times come from PostgreSQL's clock. Rounding may lose a millisecond.
      expect(beganAt).toBeLessThanOrEqual((nextAction.type === 'submit_otp' ? lastCall : end) + 1);
      return null;
    });
    expect(over.state).toBe('otp_needed');
    expect(Date.now()).toBeGreaterThanOrEqual(end);
  });

  it('end a session earlier than upstream, by the configured margin', async () => {
    const { id } = await story.verified();
    const { body } = await story.get(id);
    expect(Date.parse(body.session!.expiresAt) - Date.parse(momentsOf(body).before!)).toBe(57_500);
    await story.until(id, 'otp_needed');
    expect((await story.get(id)).body).toMatchObject({ reason: 'session_expired', session: null });
  });
});

describe('the service with a worker', () => {
  let queue: Queue;
  beforeAll(async () => {
    await emptyDatabase();
    story = await Story.begin({ worker: false });
    queue = new Queue('expiry', {
      prefix: story.env['QUEUE_PREFIX']!,
      connection: { url: story.env['REDIS_URL']! },
    });
  });
  afterAll(async () => {
    await queue.close();
    await story.end();
  });

  it('writes each expiry, wipes the secrets, and counts the expiries in the job results', async () => {
    const brought = await Promise.all(
      ENDS.map(async ([situation, life, outcome]) => ({
        life,
        outcome,
        ...(await SITUATIONS[situation](story)),
      })),
    );
    const secretive = new Set<string>();
    for (const { id, life } of brought) {
      if ((await sealedFields(id)).length > 0) secretive.add(id);
      await runOut(story, id, life);
    }
    const startedAt = Date.now();
    // The scheduled job, whose result the test reads, must run before the worker's own timer does its work.
    await story.startWorker({ EXPIRY_EVERY_MS: '2000' });
    for (const { id, life, outcome } of brought) {
      const types = await until(`${outcome.signal} of ${id}`, async () => {
        const seen = await story.eventTypes(id);
        return seen.includes(outcome.signal) ? seen : null;
      });
      const kept = outcome.signal === 'outcome_lost' && life === 'session' ? ['grant'] : [];
      expect(await sealedFields(id)).toEqual(kept);
      expect(types.filter((type) => type === outcome.signal)).toHaveLength(1);
      expect(types.at(-1)).toBe(secretive.has(id) ? 'secrets_wiped' : outcome.signal);
      expect((await story.get(id)).body).toMatchObject({ state: outcome.state, reason: outcome.reason });
    }

    const total = { codes: 0, sessions: 0, onboardings: 0, outcomesLost: 0 };
    const jobs = (await queue.getJobs(['completed'])).filter((job) => (job.processedOn ?? 0) >= startedAt);
    for (const { returnvalue } of jobs as { returnvalue: typeof total }[]) {
      for (const kind of Object.keys(total) as (keyof typeof total)[]) total[kind] += returnvalue[kind];
    }
    const ended = (signal: string) => ENDS.filter(([, , outcome]) => outcome.signal === signal).length;
    expect(total).toEqual({
      codes: ended('otp_expired'),
      sessions: ended('session_expired'),
      onboardings: ended('expired'),
      outcomesLost: ended('outcome_lost'),
    });
  });
});
