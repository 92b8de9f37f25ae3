import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { until } from '#libs/testing';
import { DONE_STATE, STEPS, StepUnderTest } from '../../support/step-under-test.js';
import { Story } from '../../support/story.js';

jest.setTimeout(240_000);

let story: Story;
beforeAll(async () => {
  story = await Story.begin({ worker: false });
});
afterAll(() => story.end());

const slow = { delayMs: 600 };

describe('the service after SIGTERM', () => {
  it('answers each caller whose call is in flight, and exits with 0', async () => {
    const service = await story.startProcess('onboarding');
    const all = await Promise.all(STEPS.map((step) => StepUnderTest.before(story, step)));
    const callers = all.map((at) => at.strike(slow).submit({ at: service.url }));
    for (const at of all) await until('the call is under way', () => at.calls === 1);
    const stopped = service.stop();
    for (const [index, answer] of (await Promise.all(callers)).entries()) {
      expect(answer.status).toBeLessThan(202);
      expect(answer.body.state).toBe(DONE_STATE[all[index]!.step]);
    }
    expect(await stopped).toBe(0);
    await expect(fetch(`${service.url}/health/live`)).rejects.toThrow();
  });

  it('finishes a call in flight even if its caller did not wait', async () => {
    const service = await story.startProcess('onboarding');
    const at = await StepUnderTest.before(story, 'init-otp');
    await at.strike(slow).submit({ at: service.url, headers: { prefer: 'respond-async' } });
    await until('the call is under way', () => at.calls === 1);
    expect(await service.stop()).toBe(0);
    expect((await story.get(at.id)).body.state).toBe('otp_sent');
    expect(await at.attempts()).toEqual(['ok']);
  });
});

describe('the worker after SIGTERM', () => {
  it('finishes each call in flight, writes its result, and exits with 0', async () => {
    const worker = await story.startProcess('worker');
    const all = await Promise.all(STEPS.map((step) => StepUnderTest.before(story, step)));
    for (const at of all) await at.strike({ status: 503 }, slow).submit({ headers: { prefer: 'wait=0' } });
    for (const at of all) await until('the second call is under way', () => at.calls === 2);
    expect(await worker.stop()).toBe(0);
    for (const at of all) {
      expect((await story.get(at.id)).body.state).toBe(DONE_STATE[at.step]);
      expect(await at.attempts()).toEqual(['unavailable', 'ok']);
    }
  });
});
