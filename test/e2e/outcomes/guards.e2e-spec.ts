import { afterEach, describe, expect, it } from '@jest/globals';
import { until } from '#libs/testing';
import { metricsAt, readyAt } from '../../support/health.js';
import { Story } from '../../support/story.js';

let story: Story;
afterEach(() => story.end());

const ready = () => readyAt(story.serviceUrl);
const metric = (name: string) => metricsAt(story.serviceUrl, name);

describe('the circuit breaker', () => {
  it('stops calls while upstream fails, reports an outage, and later lets steps continue', async () => {
    // No worker, so only first attempts count. The window has time for twenty calls on a busy machine.
    const env = { BREAKER_CALLS: '20', BREAKER_WINDOW_MS: '60000', BREAKER_OPEN_MS: '12000' };
    story = await Story.begin({ env, worker: false });
    story.sandbox.control.addFault({ route: 'init-otp', status: 500, times: 0 });
    const ids: string[] = [];
    for (let n = 0; n < 20; n++) {
      const { status, body } = await story.start(story.newSubject(), {}, { prefer: 'wait=0' });
      expect(status).toBe(202);
      ids.push(body.id);
    }
    for (const id of ids) await story.until(id, ({ lastResult }) => lastResult !== null);
    const { body } = await ready();
    expect(body).toMatchObject({ status: 'degraded', checks: { 'upstream byzantine': { status: 'down' } } });
    expect((await metric('gangway_breaker_open'))[0]).toMatch(/ (1|0.5)$/);

    const held = story.newSubject();
    const answer = await story.start(held, {}, { prefer: 'wait=2' });
    expect(answer).toMatchObject({ status: 202, body: { state: 'otp_requested', otp: { sends: 0 } } });
    expect(story.calls(held, 'init-otp')).toBe(0);

    story.sandbox.control.removeFaults();
    await story.startWorker();
    await story.until(answer.body.id, 'otp_sent');
    for (const id of ids) await story.until(id, 'otp_sent');
  });
});

describe('clock skew', () => {
  it('is reported from 10 s, parks onboardings from 30 s, and unparks them when it ends', async () => {
    story = await Story.begin();
    await story.sent();
    // The service is degraded until the worker has run a job.
    await until('all is well', async () => (await ready()).body.status === 'ok');

    const toldApart = (seconds: RegExp) =>
      until('it is told', async () => {
        const { status, detail = '' } = (await ready()).body.checks['upstream byzantine']!;
        return status === 'down' && seconds.test(detail);
      });
    story.sandbox.control.advanceClock(15_000);
    await story.sent(); // the answer to this call shows the clock skew, and a probe confirms it
    await toldApart(/ 1[45] s apart/);

    story.sandbox.control.advanceClock(25_000);
    await story.sent();
    await toldApart(/ (39|40) s apart/);
    const subject = story.newSubject();
    const parked = await story.start(subject);
    expect(parked).toMatchObject({
      status: 202,
      body: { parked: { reason: 'upstream_misconfigured' }, otp: { sends: 0 } },
    });
    expect(story.calls(subject, 'init-otp')).toBe(0);

    story.sandbox.control.advanceClock(-40_000);
    expect(await story.until(parked.body.id, 'otp_sent')).toMatchObject({ parked: null });
  });
});

describe('the command to retry', () => {
  it('makes the next attempt of a waiting step now, and is refused if no step waits', async () => {
    story = await Story.begin({
      env: { RETRY_FLOOR_MS: '600000', RETRY_BASE_MS: '600000', RETRY_CAP_MS: '600000' },
    });
    const subject = story.newSubject();
    story.sandbox.control.addFault({ route: 'init-otp', status: 500, match: { userId: subject.userId } });
    const { body } = await story.start(subject, {}, { prefer: 'wait=1' });
    expect(body).toMatchObject({ state: 'otp_requested', nextAction: { type: 'wait' } });
    const path = `/v1/onboardings/${body.id}/retry`;
    expect((await story.call('POST', path, {})).status).toBe(400);
    expect((await story.call('POST', path, { reason: 'upstream is back' })).status).toBe(200);
    await story.until(body.id, 'otp_sent');
    expect(await story.call('POST', path, { reason: 'again' })).toMatchObject({
      status: 409,
      body: { code: 'illegal_state' },
    });
    const event = (await story.events(body.id)).find(
      ({ actor, type }) => actor === 'caller' && type === 'retry_scheduled',
    );
    expect(event?.data).toMatchObject({ step: 'init-otp', reason: 'upstream is back' });
  });
});
