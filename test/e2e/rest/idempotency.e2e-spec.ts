import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { API_KEY, Story } from '../../support/story.js';
import { mayResend, runOut } from '../../support/time-travel.js';

let story: Story;
let other: string;
beforeAll(async () => {
  story = await Story.begin();
  other = (await story.startService()).url;
});
afterAll(() => story.end());

const withKey = (key = randomUUID()) => ({ 'idempotency-key': key });

async function raw(base: string, path: string, body: unknown, headers: Record<string, string>) {
  const response = await fetch(base + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });
  const { status } = response;
  return { status, text: await response.text(), header: (name: string) => response.headers.get(name) };
}

describe('an idempotency key', () => {
  it('repeats the first answer, byte for byte, from any replica', async () => {
    const subject = story.newSubject();
    const body = { subject: { accountId: subject.accountId, userId: subject.userId } };
    const headers = withKey();
    const first = await raw(story.serviceUrl, '/v1/onboardings', body, headers);
    const again = await raw(other, '/v1/onboardings', body, headers);
    expect(first.status).toBe(201);
    expect(first.header('idempotent-replayed')).toBeNull();
    expect(again).toMatchObject({ status: 201, text: first.text });
    expect(again.header('idempotent-replayed')).toBe('true');
    for (const name of ['etag', 'location', 'content-type'])
      expect(again.header(name)).toBe(first.header(name));
    expect(story.calls(subject, 'init-otp')).toBe(1);
    // The service makes the answer before it writes the row. Both must agree.
    const { id } = JSON.parse(first.text) as { id: string };
    expect(JSON.parse(first.text)).toEqual((await story.get(id)).body);
  });

  it('repeats the first answer even if the onboarding has changed', async () => {
    const { id, subject } = await story.sent();
    const headers = withKey();
    const code = story.code(subject);
    const first = await raw(story.serviceUrl, `/v1/onboardings/${id}/otp/verify`, { code }, headers);
    expect(JSON.parse(first.text)).toEqual((await story.get(id)).body);
    await story.register(id, [await story.passkey(id)]);
    const again = await raw(other, `/v1/onboardings/${id}/otp/verify`, { code }, headers);
    expect(again).toMatchObject({ status: 200, text: first.text });
    expect(JSON.parse(again.text)).toMatchObject({ state: 'otp_verified' });
    expect(story.calls(subject, 'otp-auth')).toBe(1);
  });

  it('repeats a refusal without a second try', async () => {
    const { id, subject } = await story.sent();
    const headers = withKey();
    const wrong = story.wrongCode(subject);
    const first = await story.verify(id, wrong, headers);
    const again = await story.verify(id, wrong, headers);
    expect(first).toMatchObject({ status: 422, body: { code: 'otp_invalid', attemptsLeft: 2 } });
    expect(again.body).toEqual(first.body);
    expect(again.headers.get('content-type')).toContain('application/problem+json');
    expect((await story.get(id)).body.otp.attemptsLeft).toBe(2);
  });

  it('is refused with another body, and for another onboarding', async () => {
    const one = await story.sent();
    const two = await story.sent();
    const headers = withKey();
    await story.verify(one.id, story.wrongCode(one.subject), headers);
    const body = await story.verify(one.id, story.code(one.subject), headers);
    const path = await story.verify(two.id, story.wrongCode(one.subject), headers);
    for (const answer of [body, path]) {
      expect(answer).toMatchObject({ status: 422, body: { code: 'idempotency_key_reused' } });
    }
    expect(story.calls(two.subject, 'otp-auth')).toBe(0);
  });

  it('makes only one onboarding from fifty requests at the same time, over two replicas', async () => {
    const subject = story.newSubject();
    const body = { subject: { accountId: subject.accountId, userId: subject.userId } };
    const headers = withKey();
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) =>
        raw(n % 2 ? other : story.serviceUrl, '/v1/onboardings', body, headers),
      ),
    );
    const created = answers.filter(({ status }) => status === 201);
    const busy = answers.filter(({ status }) => status === 409);
    expect(created.length + busy.length).toBe(50);
    expect(new Set(created.map(({ text }) => text)).size).toBe(1);
    for (const { text } of busy)
      expect(JSON.parse(text)).toMatchObject({ code: 'idempotency_in_progress', retryable: true });
    expect(story.calls(subject, 'init-otp')).toBe(1);
    const rows = await story.sql('SELECT id FROM onboardings WHERE subject_key LIKE $1', [
      `%${subject.userId}`,
    ]);
    expect(rows).toHaveLength(1);
    expect((await raw(other, '/v1/onboardings', body, headers)).status).toBe(201);
  });

  it('gets its answer from the stored onboarding if the process died before it could answer', async () => {
    const subject = story.newSubject();
    const headers = withKey();
    const first = await story.start(subject, {}, headers);
    const crash = 'UPDATE idempotency_keys SET sealed_answer = NULL, locked_until = $2 WHERE key = $1';
    const key = headers['idempotency-key'];
    const inAMinute = new Date(Date.now() + 60_000);
    await story.sql(crash, [key, inAMinute]);
    // The step has just ended, so its process may still answer.
    await story.sql(`UPDATE onboardings SET updated_at = clock_timestamp() + interval '10 s' WHERE id = $1`, [
      first.body.id,
    ]);
    expect(await story.start(subject, {}, headers)).toMatchObject({
      status: 409,
      body: {
        code: 'idempotency_in_progress',
        onboardingId: first.body.id,
        nextAction: { type: 'submit_otp' },
      },
    });
    // After this time, a process that still ran would have answered.
    await story.sql(
      `UPDATE onboardings SET updated_at = clock_timestamp() - interval '1100 ms' WHERE id = $1`,
      [first.body.id],
    );
    const again = await story.start(subject, {}, headers);
    expect(again).toMatchObject({ status: 201, body: { id: first.body.id, state: 'otp_sent' } });
    expect(story.calls(subject, 'init-otp')).toBe(1);
  });

  it('does not store a refusal if the request may succeed later or after a correction', async () => {
    const { id, subject } = await story.sent();
    const headers = withKey();
    expect((await story.verify(id, 'not a code', headers)).status).toBe(400);
    expect((await story.verify(id, story.code(subject), headers)).status).toBe(200);

    await story.sql(
      "UPDATE onboardings SET otp_resend_at = clock_timestamp() + interval '1 hour' WHERE id = $1",
      [id],
    );
    // The first request came too early and did nothing, so the same request succeeds later.
    const early = withKey();
    expect((await story.resend(id, early)).status).toBe(409);
    await runOut(story, id, 'session');
    await mayResend(story, id);
    expect(await story.resend(id, early)).toMatchObject({ status: 200, body: { state: 'otp_sent' } });

    const keyed = withKey();
    const old = await story.verify(id, story.code(subject), { ...keyed, 'if-match': '"1"' });
    expect(old.status).toBe(412);
    const { version } = (await story.get(id)).body;
    const verified = await story.verify(id, story.code(subject), { ...keyed, 'if-match': `"${version}"` });
    expect(verified.status).toBe(200);
  });

  it.each(['', 'a'.repeat(256), 'schlüssel'])('is refused if it is malformed: %j', async (key) => {
    const { id } = await story.sent();
    const answer = await story
      .cancel(id)
      .then(() =>
        raw(
          story.serviceUrl,
          `/v1/onboardings/${id}/cancel`,
          {},
          { 'idempotency-key': encodeURI(key) === key ? key : ' ' },
        ),
      );
    expect(answer.status).toBe(400);
  });

  it('also works for cancel', async () => {
    const { id } = await story.sent();
    const headers = withKey();
    const first = await raw(story.serviceUrl, `/v1/onboardings/${id}/cancel`, {}, headers);
    const again = await raw(other, `/v1/onboardings/${id}/cancel`, {}, headers);
    expect(first.status).toBe(200);
    expect(again).toMatchObject({ status: 200, text: first.text });
  });

  it('answers a repeated resolve with the current onboarding if the first answer was lost', async () => {
    const { id, subject } = await story.sent();
    const { userId } = subject;
    story.sandbox.control.addFault({ route: 'otp-auth', match: { userId }, cut: 'after' });
    expect((await story.verify(id, story.code(subject))).status).toBe(409);
    story.sandbox.control.addFault({ route: 'init-otp', match: { userId }, status: 503, retryAfterS: 60 });
    await mayResend(story, id);
    const headers = withKey();
    const path = `/v1/onboardings/${id}/resolve`;
    const decision = { outcome: 'not_done', reason: 'asked the user' };
    const first = await raw(story.serviceUrl, path, decision, headers);
    expect(first.status).toBe(202);
    await story.sql(
      `UPDATE idempotency_keys SET sealed_answer = NULL, locked_until = clock_timestamp() WHERE key = $1`,
      [headers['idempotency-key']],
    );
    const again = await raw(other, path, decision, headers);
    expect([again.status, again.header('location')]).toEqual([202, `/v1/onboardings/${id}`]);
  });

  it('gives one challenge for repeated requests for options', async () => {
    const { id } = await story.verified();
    const path = `/v1/onboardings/${id}/authenticators/options`;
    const headers = withKey();
    const answers = await Promise.all([1, 2, 3].map(() => raw(other, path, { userName: 'ana' }, headers)));
    const again = await raw(story.serviceUrl, path, { userName: 'ana' }, headers);
    expect(again.status).toBe(200);
    for (const { status, text } of answers) expect(status === 409 || text === again.text).toBe(true);
    expect(await story.sql('SELECT 1 FROM webauthn_challenges WHERE onboarding_id = $1', [id])).toHaveLength(
      1,
    );
  });
});
