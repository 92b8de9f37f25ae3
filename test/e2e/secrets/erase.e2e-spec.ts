import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Timelines, UpkeepHandlers } from '#libs/onboarding';
import { until } from '#libs/testing';
import { SecretHunt } from '../../support/secret-hunt.js';
import { Sinks } from '../../support/sinks.js';
import { Story, type Subject } from '../../support/story.js';

let story: Story;
let sinks: Sinks;
beforeAll(async () => {
  story = await Story.begin();
  sinks = await Sinks.open(story);
});
afterAll(async () => {
  sinks?.close();
  await story.end();
});

const word = () => `w${randomBytes(8).toString('hex')}`;

/** A user with known personal data. */
class Told {
  readonly subject: Subject = story.newSubject();
  readonly externalRef = word();
  readonly name = word();
  readonly key = word();
  readonly hunt = new SecretHunt()
    .add('account', this.subject.accountId)
    .add('user', this.subject.userId)
    .add('reference', this.externalRef)
    .add('name', this.name);

  start(headers: Record<string, string> = {}) {
    const more = { externalRef: this.externalRef, metadata: { name: this.name } };
    return story.start(this.subject, more, { 'idempotency-key': this.key, ...headers });
  }

  async sent(): Promise<string> {
    const { id } = (await this.start()).body;
    this.hunt.add('code', story.code(this.subject));
    return id;
  }

  async verified(): Promise<string> {
    const id = await this.sent();
    await story.verify(id, story.code(this.subject), { 'idempotency-key': word() });
    return id;
  }

  async passkey(id: string) {
    const passkey = { ...(await story.passkey(id)), authenticatorName: this.name };
    const { credential } = passkey;
    this.hunt.add('credential', credential.id, Buffer.from(credential.id, 'base64url'));
    return passkey;
  }

  async completed(): Promise<string> {
    const id = await this.verified();
    const { body } = await story.register(id, [await this.passkey(id)], { 'idempotency-key': word() });
    expect(body.state).toBe('completed');
    this.hunt.add('authenticator', body.authenticators[0]!.id!);
    return id;
  }

  fault(route: string, spec: object) {
    story.sandbox.control.addFault({ route, match: { userId: this.subject.userId }, ...spec });
  }

  /** @returns the onboarding's id, although the request that starts it has no answer yet. */
  async started(): Promise<string> {
    let id: string | undefined;
    await until('the onboarding is there', async () => {
      const { body } = await story.call<{ items: { id: string }[] }>(
        'GET',
        `/v1/onboardings?userId=${this.subject.userId}`,
      );
      id = body.items[0]?.id;
      return id !== undefined;
    });
    return id!;
  }
}

const erase = (id: string, headers: Record<string, string> = {}) =>
  story.call<{ code: string } | null>('DELETE', `/v1/onboardings/${id}`, undefined, headers);

async function runJob(name: string): Promise<void> {
  const handlers = story.service.get(UpkeepHandlers).handlers();
  await handlers.find(({ job }) => job.name === name)!.handle({});
}

/** Expects that no personal data is left after the user's counts of sends and wrong codes have expired. */
async function expectGone(id: string, { hunt, subject }: Told): Promise<void> {
  await story.sql(
    `UPDATE otp_budgets SET sends = ARRAY(SELECT t - interval '25 hours' FROM unnest(sends) t),
       wrong_codes = ARRAY(SELECT t - interval '25 hours' FROM unnest(wrong_codes) t)
     WHERE subject_key LIKE $1`,
    [`%${subject.userId}`],
  );
  await runJob('retention');
  const dump = await sinks.databaseDump();
  expect(dump).toContain(id);
  expect(hunt.in(dump)).toEqual([]);
  expect(hunt.in(await sinks.redisDump())).toEqual([]);
  const shown = JSON.stringify([(await story.get(id)).body, await story.events(id)]);
  expect(hunt.in(shown)).toEqual([]);
  const { fault } = await story.service.get(Timelines).verifyTimeline(id);
  expect(fault).toBeNull();
}

describe('an erased onboarding', () => {
  it('keeps its row and events, but no personal data', async () => {
    const told = new Told();
    const id = await told.completed();
    expect(told.hunt.in(await sinks.databaseDump()).length).toBeGreaterThan(4);
    const before = (await story.get(id)).body;
    const answer = await erase(id);
    expect(answer).toMatchObject({ status: 204, body: null });
    const { headers, body } = await story.get(id);
    expect(body).toMatchObject({
      id,
      state: 'completed',
      subject: {},
      externalRef: null,
      metadata: {},
      authenticators: [],
      createdAt: before.createdAt,
      erasedAt: expect.any(String),
      nextAction: { type: 'none' },
    });
    expect(headers.get('etag')).not.toBe(`"${before.version}"`);
    expect((await story.events(id)).at(-1)).toMatchObject({ type: 'erased', actor: 'caller', data: {} });
    await expectGone(id, told);
  });

  it('is first cancelled if it is live', async () => {
    const told = new Told();
    const id = await told.verified();
    await story.challenge(id);
    expect((await erase(id)).status).toBe(204);
    expect((await story.get(id)).body).toMatchObject({ state: 'cancelled', session: null });
    expect((await story.eventTypes(id)).slice(-3)).toEqual(['cancelled', 'secrets_wiped', 'erased']);
    expect(await story.verify(id, '123456')).toMatchObject({
      status: 410,
      body: { code: 'onboarding_ended' },
    });
    await expectGone(id, told);
  });

  it('is erased only once, even if requests are repeated later or at the same time', async () => {
    const told = new Told();
    const id = await told.sent();
    const answers = await Promise.all([erase(id), erase(id), erase(id), erase(id)]);
    expect(answers.map(({ status }) => status)).toEqual([204, 204, 204, 204]);
    expect((await erase(id)).status).toBe(204);
    expect((await story.eventTypes(id)).filter((type) => type === 'erased')).toHaveLength(1);
  });

  it('is erased only at the version in If-Match', async () => {
    const told = new Told();
    const id = await told.sent();
    expect(await erase(id, { 'if-match': '"1"' })).toMatchObject({
      status: 412,
      body: { code: 'version_mismatch' },
    });
    expect((await story.get(id)).body.erasedAt).toBeNull();
    const { version } = (await story.get(id)).body;
    expect((await erase(id, { 'if-match': `"${version}"` })).status).toBe(204);
    // A caller that lost the answer repeats its request.
    expect((await erase(id, { 'if-match': `"${version}"` })).status).toBe(204);
  });

  it('can no longer be found by filters of the list', async () => {
    const told = new Told();
    const id = await told.completed();
    const { accountId, userId } = told.subject;
    const found = (query: string) =>
      story
        .call<{ items: unknown[] }>('GET', `/v1/onboardings?${query}`)
        .then(({ body }) => body.items.length);
    const queries = [`accountId=${accountId}`, `userId=${userId}`, `externalRef=${told.externalRef}`];
    expect(await Promise.all(queries.map(found))).toEqual([1, 1, 1]);
    await erase(id);
    expect(await Promise.all(queries.map(found))).toEqual([0, 0, 0]);
  });

  it('does not block another onboarding of its user, and the user’s count of sent codes stays', async () => {
    const told = new Told();
    const id = await told.sent();
    await erase(id);
    expect((await story.start(told.subject)).status).toBe(201);
    const [budget] = await story.sql<{ sends: number }>(
      'SELECT cardinality(sends) AS sends FROM otp_budgets WHERE subject_key LIKE $1',
      [`%${told.subject.userId}`],
    );
    expect(budget).toEqual({ sends: 2 });
  });

  it('answers 410 onboarding_erased to a repeated idempotency key, and nothing is done', async () => {
    const told = new Told();
    const id = await told.sent();
    expect((await told.start()).headers.get('idempotent-replayed')).toBe('true');
    await erase(id);
    expect(await told.start()).toMatchObject({ status: 410, body: { code: 'onboarding_erased' } });
    expect(story.calls(told.subject, 'init-otp')).toBe(1);
    const rows = await story.sql('SELECT 1 FROM onboardings WHERE external_ref = $1', [told.externalRef]);
    expect(rows).toEqual([]);
  });

  it('keeps the error codes of its failure, but no text', async () => {
    const told = new Told();
    told.fault('init-otp', { status: 404, body: { error: 'user not found', status: 404 } });
    const { id } = (await story.call('GET', `/v1/onboardings/${(await told.start()).body.onboardingId}`))
      .body;
    const { failure } = (await story.get(id)).body;
    expect(failure).toMatchObject({ code: expect.any(String), step: 'init-otp' });
    await erase(id);
    expect((await story.get(id)).body.failure).toEqual({ ...failure, detail: 'Erased.' });
    await expectGone(id, told);
  });

  it('keeps an unresolved attempt, which can be resolved without personal data', async () => {
    const told = new Told();
    const id = await told.verified();
    told.fault('create-authenticators-otp', { cut: 'mid-response', times: 3 });
    await story.register(id, [await told.passkey(id)]);
    await story.until(id, 'outcome_unknown');
    await erase(id);
    expect((await story.get(id)).body.unresolved).toMatchObject({ step: 'create-authenticators' });
    const resolved = await story.call('POST', `/v1/onboardings/${id}/resolve`, {
      outcome: 'done',
      reason: told.name,
    });
    expect(resolved).toMatchObject({ status: 200, body: { unresolved: null, authenticators: [] } });
    await expectGone(id, told);
  });

  const IN_FLIGHT: [
    route: string,
    begin: (told: Told) => Promise<{ id: string; call: Promise<{ status: number }> }>,
  ][] = [
    [
      'init-otp',
      async (told) => {
        const call = told.start();
        return { id: await told.started(), call };
      },
    ],
    [
      'otp-auth',
      async (told) => {
        const id = await told.sent();
        return { id, call: story.verify(id, story.code(told.subject), { 'idempotency-key': word() }) };
      },
    ],
    [
      'create-authenticators-otp',
      async (told) => {
        const id = await told.verified();
        const passkey = await told.passkey(id);
        return { id, call: story.register(id, [passkey], { 'idempotency-key': word() }) };
      },
    ],
  ];

  it.each(IN_FLIGHT)(
    'stores nothing from an answer of %s that comes after the erasure',
    async (route, begin) => {
      const told = new Told();
      told.fault(route, { delayMs: 1_200 });
      const { id, call } = await begin(told);
      await until('the call is in flight', () => story.calls(told.subject, route) === 1);
      expect((await erase(id)).status).toBe(204);
      expect(await call).toMatchObject({ status: 410 });
      await until('the answer is recorded', async () =>
        (await story.eventTypes(id)).includes('late_answer_kept'),
      );
      expect((await story.events(id)).at(-1)).toMatchObject({ type: 'late_answer_kept', data: {} });
      expect((await story.get(id)).body).toMatchObject({
        state: 'cancelled',
        authenticators: [],
        subject: {},
      });
      await expectGone(id, told);
    },
  );

  it.each(['init-otp', 'otp-auth', 'create-authenticators-otp'])(
    'is not changed by a retry of %s that was already due',
    async (route) => {
      const told = new Told();
      told.fault(route, { status: 503, times: 0, retryAfterS: 1 });
      const begin = IN_FLIGHT.find(([name]) => name === route)![1];
      const { id, call } = await begin(told);
      await story.until(id, ({ lastResult }) => lastResult !== null);
      await erase(id);
      await call;
      const calls = story.calls(told.subject, route);
      await until('the retry has run', async () => {
        const dump = await sinks.redisDump();
        return dump.includes(id) && dump.includes('not_needed');
      });
      expect(story.calls(told.subject, route)).toBe(calls);
      await expectGone(id, told);
      story.sandbox.control.removeFaults();
    },
  );

  it('gets a new stored hash of its timeline, which matches', async () => {
    const told = new Told();
    const id = await told.completed();
    await erase(id);
    const { events } = await story.service.get(Timelines).verifyTimeline(id);
    await runJob('anchor');
    expect(await story.service.get(Timelines).verifyTimeline(id)).toMatchObject({
      anchoredSeq: events,
      fault: null,
    });
  });

  it('accepts no personal data again, by any SQL statement', async () => {
    const told = new Told();
    const id = await told.completed();
    await erase(id);
    for (const set of [
      `external_ref = 'x'`,
      `trace_parent = 'x'`,
      `subject = '{"a": 1}'`,
      `sealed_grant = '\\x00'`,
      `subject_key = 'x'`,
    ]) {
      await expect(story.sql(`UPDATE onboardings SET ${set} WHERE id = $1`, [id])).rejects.toThrow(
        'onboardings_erased_is_blank',
      );
    }
  });
});

it('an erasure of an unknown onboarding gets 404', async () => {
  expect(await erase('0198a000-0000-7000-8000-000000000001')).toMatchObject({
    status: 404,
    body: { code: 'not_found' },
  });
});
