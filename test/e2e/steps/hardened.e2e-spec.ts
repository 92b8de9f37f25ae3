import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '#libs/testing';
import { Story } from '../../support/story.js';

let story: Story;
beforeAll(async () => {
  story = await Story.begin({ env: { OTP_SENDS_PER_WINDOW: '8', OTP_WRONG_PER_DAY: '3' } });
});
afterAll(() => story.end());

const withKey = (key = randomUUID()) => ({ 'idempotency-key': key });
const rowsOf = (userId: string) =>
  story.sql<{ id: string; state: string }>(
    'SELECT id, state FROM onboardings WHERE subject_key LIKE $1 ORDER BY id',
    [`%${userId}`],
  );

describe('requests that replace the user’s onboarding', () => {
  it('at the same time leave one live onboarding, and get 201, 409 or 410', async () => {
    const { id, subject } = await story.sent();
    const answers = await Promise.all([1, 2, 3, 4].map(() => story.start(subject, { supersede: true })));
    const rows = await rowsOf(subject.userId);
    expect(rows.filter(({ state }) => state !== 'cancelled')).toHaveLength(1);
    expect(rows[0]).toEqual({ id, state: 'cancelled' });
    for (const { status } of answers) expect([201, 409, 410]).toContain(status);
  });

  it('at the same time with one idempotency key make one onboarding, and get its 201 or a 409', async () => {
    const { subject } = await story.sent();
    const headers = withKey();
    const start = () => story.start(subject, { supersede: true }, headers);
    const answers = await Promise.all([start(), start(), start(), start()]);
    const created = answers.filter(({ status }) => status === 201);
    for (const { status } of answers) expect([201, 409]).toContain(status);
    const again = await start();
    expect(again.status).toBe(201);
    for (const { body } of created) expect(body).toEqual(again.body);
    expect((await rowsOf(subject.userId)).map(({ state }) => state)).toEqual(['cancelled', 'otp_sent']);
  });

  it('keep the live onboarding if the limit of sends refuses the new one', async () => {
    const { id, subject } = await story.sent();
    await story.sql(
      `UPDATE otp_budgets SET sends = array_fill(clock_timestamp(), ARRAY[8]) WHERE subject_key LIKE $1`,
      [`%${subject.userId}`],
    );
    expect(await story.start(subject, { supersede: true })).toMatchObject({ status: 429 });
    expect((await story.get(id)).body.state).toBe('otp_sent');
  });
});

describe('an idempotency key whose command was refused by a limit', () => {
  it('is not used up: the command works when the limit permits it again', async () => {
    const { id, subject } = await story.sent();
    const budget = (sql: string) =>
      story.sql(`UPDATE otp_budgets SET ${sql} WHERE subject_key LIKE $1`, [`%${subject.userId}`]);
    const headers = withKey();
    await budget('wrong_codes = array_fill(clock_timestamp(), ARRAY[3])');
    expect((await story.verify(id, story.code(subject), headers)).status).toBe(429);
    expect(
      await story.sql('SELECT 1 FROM idempotency_keys WHERE key = $1', [headers['idempotency-key']]),
    ).toEqual([]);
    await budget(`wrong_codes = '{}'`);
    expect(await story.verify(id, story.code(subject), headers)).toMatchObject({
      status: 200,
      body: { state: 'otp_verified' },
    });
    expect(story.calls(subject, 'otp-auth')).toBe(1);
  });

  it('is not used up if a limit refuses the start of an onboarding', async () => {
    const { id, subject } = await story.sent();
    await story.cancel(id);
    const headers = withKey();
    const budget = (sql: string) =>
      story.sql(`UPDATE otp_budgets SET ${sql} WHERE subject_key LIKE $1`, [`%${subject.userId}`]);
    await budget('sends = array_fill(clock_timestamp(), ARRAY[8])');
    expect((await story.start(subject, {}, headers)).status).toBe(429);
    await budget(`sends = '{}'`);
    expect((await story.start(subject, {}, headers)).status).toBe(201);
  });
});

describe('text that PostgreSQL cannot store', () => {
  const bad = ['a\u0000', '\ud800'];

  it.each(bad)('causes a 400 in every member: %j', async (text) => {
    const { accountId, userId } = story.newSubject();
    const subject = { accountId, userId };
    const { id } = await story.sent();
    const deep = JSON.parse('{"a":'.repeat(60_000) + '1' + '}'.repeat(60_000)) as object;
    expect(deep).toBeDefined();
    for (const [path, body] of [
      ['/v1/onboardings', { subject, externalRef: text }],
      ['/v1/onboardings', { subject, metadata: { a: [{ b: text }] } }],
      ['/v1/onboardings', { subject, metadata: { [text]: 1 } }],
      ['/v1/onboardings', { subject, integration: text }],
      [
        '/v1/onboardings',
        '{"subject":{},"metadata":' + '{"a":'.repeat(8_000) + '1' + '}'.repeat(8_000) + '}',
      ],
      [`/v1/onboardings/${id}/cancel`, { reason: text }],
      [`/v1/onboardings/${id}/otp/resend`, { reason: text }],
      [`/v1/onboardings/${id}/resolve`, { outcome: 'done', reason: text }],
    ] as const) {
      for (const headers of [{}, withKey()]) {
        const answer = await story.call('POST', path, body, headers);
        expect([path, answer.status, answer.body.code]).toEqual([path, 400, 'validation_failed']);
      }
    }
  });

  it('causes a 400 in every query parameter', async () => {
    for (const name of ['externalRef', 'accountId', 'userId', 'integration']) {
      expect((await story.call('GET', `/v1/onboardings?${name}=%00`)).status).toBe(400);
    }
  });
});

describe('a malformed onboarding id', () => {
  it('gets a 4xx with an error code, whatever its length', async () => {
    for (const length of [1, 100, 101, 5_000]) {
      const { status, body } = await story.call('GET', `/v1/onboardings/${'a'.repeat(length)}`);
      expect([400, 404, 414]).toContain(status);
      expect(body.code).toBeDefined();
    }
  });
});

describe('a passkey whose answer comes after the cancel', () => {
  it('is recorded with the id from this answer when an operator resolves the attempt as done', async () => {
    const { id, subject } = await story.verified();
    const passkey = await story.passkey(id);
    const match = { userId: subject.userId };
    story.sandbox.control.addFault({
      route: 'create-authenticators-otp',
      delayMs: 1_200,
      afterEffect: true,
      match,
    });
    const caller = story.register(id, [passkey]);
    await until('the call is under way', () => story.calls(subject, 'create-authenticators-otp') === 1);
    await story.cancel(id);
    expect((await caller).status).toBe(410);
    await until('the late answer is kept', async () =>
      (await story.eventTypes(id)).includes('late_answer_kept'),
    );
    const resolved = await story.resolve(id, 'done');
    const [stored] = story.sandbox.control.authenticators(subject.userId);
    expect(resolved.body).toMatchObject({
      state: 'cancelled',
      unresolved: null,
      authenticators: [{ id: stored!.authenticatorId, credentialId: passkey.credential.id }],
    });
    const next = await story.verified(subject);
    const { body } = await story.call<{ excludeCredentials: { id: string }[] }>(
      'POST',
      `/v1/onboardings/${next.id}/authenticators/options`,
      { userName: 'ana' },
    );
    expect(body.excludeCredentials.map((each) => each.id)).toEqual([passkey.credential.id]);
  });
});

describe('If-Match', () => {
  it('is checked at the write, not only at the read', async () => {
    const { id } = await story.sent();
    const cancel = (tag: string) =>
      story.call('POST', `/v1/onboardings/${id}/cancel`, {}, { 'if-match': tag });
    const { version } = (await story.get(id)).body;
    for (const tag of [`"${version - 1}"`, `W/"${version}"`, '"9999999999"', '"abc"']) {
      expect((await cancel(tag)).status).toBe(412);
    }
    expect((await cancel('3')).status).toBe(400);
    const answers = await Promise.all([
      cancel(`"${version}"`),
      story.resend(id, { 'if-match': `"${version}"` }),
    ]);
    expect(answers.filter(({ status }) => status < 300)).toHaveLength(1);
  });
});
