import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { until } from '#libs/testing';
import type {
  operationItemPage,
  operationPreview,
  operationResource,
} from '../../../apps/onboarding/src/operations.dto.js';
import type { z } from 'zod';
import { bearer, makeKey } from '../../support/callers.js';
import { readyAt } from '../../support/health.js';
import { StepUnderTest } from '../../support/step-under-test.js';
import { Story } from '../../support/story.js';

jest.setTimeout(60_000);

type Operation = z.output<typeof operationResource>;
type Items = z.output<typeof operationItemPage>;
type Preview = z.output<typeof operationPreview>;
interface Refusal {
  status: number;
  code: string;
  requiredScopes?: string[];
}

const UNKNOWN = '01980000-0000-7000-8000-000000000000';

let story: Story;
beforeAll(async () => {
  story = await Story.begin({ env: { SWEEP_EVERY_MS: '100', PROBE_EVERY_MS: '100' } });
});
afterAll(() => story.end());
beforeEach(async () => {
  await story.sql('DELETE FROM integration_pauses');
  story.sandbox.control.removeFaults();
});

const post = <Body = Operation>(path: string, body: object, headers: Record<string, string> = {}) =>
  story.call<Body>('POST', path, body, headers);
const read = async (id: string) => (await story.call<Operation>('GET', `/v1/operations/${id}`)).body;
const ended = (id: string) =>
  until('the operation ends', async () => {
    const operation = await read(id);
    return operation.endedAt !== null && operation;
  });

/** @returns an onboarding with an unknown outcome, because the answer to its passkeys was lost. */
async function lost(): Promise<StepUnderTest> {
  const at = await StepUnderTest.before(story, 'create-authenticators');
  await at.strike({ cut: 'after' }).submit();
  await at.until('outcome_unknown');
  return at;
}

describe('an operation on many onboardings', () => {
  it('changes nothing in a dry run, then runs item by item, with its reason in each timeline', async () => {
    const [one, other] = [await story.sent(), await story.sent()];
    const filter = { states: ['otp_sent'], createdAfter: new Date(Date.now() - 60_000).toISOString() };
    const asked = { action: 'cancel', filter, reason: 'a test account' };
    const dry = await post<Preview>('/v1/operations', { ...asked, dryRun: true });
    expect(dry.status).toBe(200);
    expect(dry.body.count).toBeGreaterThanOrEqual(2);
    expect(dry.body.sample.map(({ id }) => id)).toEqual(expect.arrayContaining([one.id, other.id]));
    expect((await story.get(one.id)).body.state).toBe('otp_sent');

    const ids = [one.id, other.id, UNKNOWN];
    const started = await post('/v1/operations', { action: 'cancel', ids, reason: 'a test account' });
    expect(started.status).toBe(202);
    expect(started.headers.get('location')).toBe(`/v1/operations/${started.body.id}`);
    expect(started.body).toMatchObject({ total: 3, actor: 'caller:default', via: 'rest' });
    expect(await ended(started.body.id)).toMatchObject({ state: 'done', done: 2, refused: 1, failed: 0 });
    const { body } = await story.call<Items>(
      'GET',
      `${started.headers.get('location')}/items?outcome=refused`,
    );
    expect(body.items).toMatchObject([{ onboardingId: UNKNOWN, code: 'not_found' }]);
    expect((await story.events(one.id)).at(-1)).toMatchObject({
      type: 'cancelled',
      data: { reason: 'a test account' },
    });
    const [audited] = await story.sql(`SELECT actor, address, data FROM audit_events WHERE target = $1`, [
      started.body.id,
    ]);
    expect(audited).toMatchObject({
      actor: 'caller:default',
      address: expect.any(String),
      data: { reason: 'a test account', traceId: started.headers.get('x-request-id') },
    });
  });

  it('can resolve unknown outcomes, and can send new codes', async () => {
    const { id, subject } = await story.sent();
    await story.cooledDown(id);
    const resent = await post('/v1/operations', { action: 'resend', ids: [id], reason: 'no mail came' });
    expect(await ended(resent.body.id)).toMatchObject({ done: 1 });
    expect((await story.get(id)).body).toMatchObject({ state: 'otp_sent', otp: { sends: 2 } });
    const events = await story.events(id);
    expect(events.find(({ type }) => type === 'otp_resend_asked')).toMatchObject({
      data: { by: 'default', reason: 'no mail came' },
    });
    expect((await story.verify(id, story.code(subject))).body.state).toBe('otp_verified');

    const at = await lost();
    const decided = await post('/v1/operations', {
      action: 'resolve_done',
      filter: { states: ['outcome_unknown'] },
      reason: 'seen at the provider',
    });
    expect(await ended(decided.body.id)).toMatchObject({ state: 'done', done: 1 });
    expect((await story.get(at.id)).body.state).toBe('completed');
  });

  it('is started once for one idempotency key, also if the answer was lost', async () => {
    const { id } = await story.sent();
    const body = { action: 'cancel', ids: [id], reason: 'r' };
    const headers = { 'idempotency-key': `once-${id}` };
    const first = await post('/v1/operations', body, headers);
    const second = await post('/v1/operations', body, headers);
    expect(second.headers.get('idempotent-replayed')).toBe('true');
    expect(second.body).toEqual(first.body);
    await story.sql('UPDATE idempotency_keys SET sealed_answer = NULL WHERE key = $1', [`once-${id}`]);
    const third = await post('/v1/operations', body, headers);
    expect(third).toMatchObject({ status: 202, body: { id: first.body.id } });
  });

  it('requires its scopes, a condition and a reason', async () => {
    const { id } = await story.sent();
    const operator = bearer((await makeKey(story, ['operations:write'], { caller: 'desk' })).token);
    const reader = bearer((await makeKey(story, ['operations:read'], { caller: 'desk' })).token);
    const erase = { action: 'erase', ids: [id], reason: 'asked to' };
    expect(await post<Refusal>('/v1/operations', erase, operator)).toMatchObject({
      status: 403,
      body: { code: 'forbidden', requiredScopes: ['onboardings:erase'] },
    });
    const cancel = { action: 'cancel', ids: [id], reason: 'r' };
    expect((await post('/v1/operations', cancel, reader)).status).toBe(403);
    for (const body of [
      { action: 'cancel', filter: {}, reason: 'all of them' },
      { action: 'cancel', reason: 'none' },
      { ...cancel, filter: { parked: true } },
      { ...cancel, reason: '' },
      { ...cancel, reason: '  ' },
      { ...cancel, atMost: 0 },
      { action: 'rebuild_wake_ups', ids: [id], reason: 'r' },
      { action: 'rebuild_wake_ups', dryRun: true, reason: 'r' },
    ]) {
      expect(await post<Refusal>('/v1/operations', body)).toMatchObject({
        status: 400,
        body: { code: 'validation_failed' },
      });
    }
    const filter = { states: ['otp_sent'] };
    const none = { action: 'cancel', filter, reason: 'r', atMost: 0 };
    expect(await post<Refusal & { detail: string }>('/v1/operations', none)).toMatchObject({
      status: 400,
      body: { code: 'validation_failed', detail: expect.stringContaining('the dry run showed 0') },
    });
    const started = await post('/v1/operations', cancel, operator);
    expect(started.body).toMatchObject({ actor: 'caller:desk' });
    await ended(started.body.id);
    const events = await story.events(id);
    expect(events.at(-1)).toMatchObject({ type: 'cancelled', data: { by: 'desk' } });
    const abort = await post<Refusal>(`/v1/operations/${started.body.id}/abort`, { reason: 'late' });
    expect(abort).toMatchObject({ status: 409, body: { code: 'illegal_state' } });
  });

  it('is hidden from callers without access to the integration of its onboardings', async () => {
    const elsewhere = bearer(
      (await makeKey(story, ['operations:write'], { caller: 'elsewhere', integrations: ['turnkey'] })).token,
    );
    const { id } = await story.sent();
    const own = await post('/v1/operations', { action: 'cancel', ids: [id], reason: 'r' }, elsewhere);
    expect(await ended(own.body.id)).toMatchObject({ refused: 1 });
    expect((await story.get(id)).body.state).toBe('otp_sent');
    const others = await post('/v1/operations', { action: 'cancel', ids: [id], reason: 'r' });
    const path = `/v1/operations/${others.body.id}`;
    expect((await story.call('GET', path, undefined, elsewhere)).status).toBe(404);
    expect((await story.call('GET', `${path}/items`, undefined, elsewhere)).status).toBe(404);
    expect((await post(`${path}/abort`, { reason: 'r' }, elsewhere)).status).toBe(404);
    expect((await post('/v1/integrations/byzantine/pause', { reason: 'r' }, elsewhere)).status).toBe(404);
    const list = await story.call<{ items: Operation[] }>('GET', '/v1/operations', undefined, elsewhere);
    expect(list.body.items.map((each) => each.id)).toEqual([own.body.id]);
  });
});

describe('a paused integration', () => {
  it('gets no call until it is resumed; then its onboardings continue', async () => {
    const paused = await post('/v1/integrations/byzantine/pause', { reason: 'their maintenance' });
    expect(paused).toMatchObject({ status: 202, body: { action: 'pause_integration', state: 'done' } });
    const at = await StepUnderTest.before(story, 'init-otp');
    const answer = await at.submit();
    expect(answer).toMatchObject({
      status: 202,
      body: {
        state: 'otp_requested',
        nextAction: { type: 'wait', until: null },
        lastResult: { code: 'integration_paused' },
        parked: { reason: 'integration_paused' },
        otp: { sends: 0 },
      },
    });
    await until('health shows the pause', async () => {
      const { body } = await readyAt(story.serviceUrl);
      return body.checks['upstream byzantine']?.detail?.includes('paused by an operator since');
    });
    expect(at.calls).toBe(0);
    expect((await post('/v1/integrations/byzantine/pause', { reason: 'again' })).status).toBe(409);
    expect((await post('/v1/integrations/unheard-of/pause', { reason: 'r' })).status).toBe(404);

    const resumed = await post('/v1/integrations/byzantine/resume', { reason: 'it is over' });
    expect(await ended(resumed.body.id)).toMatchObject({ state: 'done' });
    await at.until('otp_sent');
    expect(at.calls).toBe(1);
    const types = (await at.events()).map(({ type }) => type);
    expect(types.filter((type) => type === 'parked' || type === 'unparked')).toEqual(['parked', 'unparked']);
  });
});

describe('an operation that resends codes while the integration is paused', () => {
  it('is done, and its item says that the code is sent later', async () => {
    const { id } = await story.sent();
    await story.cooledDown(id);
    await post('/v1/integrations/byzantine/pause', { reason: 'their maintenance' });
    const resent = await post('/v1/operations', { action: 'resend', ids: [id], reason: 'no mail came' });
    expect(await ended(resent.body.id)).toMatchObject({ state: 'done', done: 1 });
    const { body } = await story.call<Items>('GET', `/v1/operations/${resent.body.id}/items`);
    expect(body.items).toMatchObject([{ outcome: 'done', detail: 'code not sent yet: integration_paused' }]);
    await post('/v1/integrations/byzantine/resume', { reason: 'it is over' });
    await until('the code is sent', async () => (await story.get(id)).body.state === 'otp_sent');
  });
});

describe('the operation that queues the jobs of all waiting steps again', () => {
  it('ends as done, with no refused or failed item', async () => {
    const started = await post('/v1/operations', { action: 'rebuild_wake_ups', reason: 'Redis was flushed' });
    expect(started.status).toBe(202);
    expect(await ended(started.body.id)).toMatchObject({ state: 'done', refused: 0, failed: 0 });
  });

  it('is started once for one idempotency key', async () => {
    const body = { action: 'rebuild_wake_ups', reason: 'Redis was flushed' };
    const headers = { 'idempotency-key': 'rebuilt-once' };
    const first = await post('/v1/operations', body, headers);
    const second = await post('/v1/operations', body, headers);
    expect(second.headers.get('idempotent-replayed')).toBe('true');
    expect(second.body.id).toBe(first.body.id);
  });
});
