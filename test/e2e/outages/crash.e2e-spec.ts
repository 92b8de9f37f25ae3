import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { until } from '#libs/testing';
import {
  DONE_STATE,
  STEPS,
  StepUnderTest,
  type Fault,
  type StepName,
} from '../../support/step-under-test.js';
import { Story } from '../../support/story.js';
import { lapseLeases } from '../../support/time-travel.js';

jest.setTimeout(240_000);

/** Timeouts so long that all calls are in flight at once, even on a busy machine. */
const ENV = { CALL_TIMEOUT_MS: '30000', CLAIM_MAX_AGE_MS: '10000', LEASE_MS: '60000' };

/** Delays a call for longer than any process of this test runs. */
const hangs: Fault = { delayMs: 60_000, cut: 'before' };
const actsAndHangs: Fault = { delayMs: 60_000, afterEffect: true };

/** How a step ends after its process was killed. `acted`: whether the provider had executed the call. */
const LAW: { step: StepName; acted: boolean; state: string; attempts: string[] }[] = [
  { step: 'init-otp', acted: false, state: 'otp_sent', attempts: ['no_answer', 'ok'] },
  { step: 'init-otp', acted: true, state: 'otp_sent', attempts: ['no_answer', 'ok'] },
  { step: 'verify-otp', acted: false, state: 'outcome_unknown', attempts: ['no_answer'] },
  { step: 'verify-otp', acted: true, state: 'outcome_unknown', attempts: ['no_answer'] },
  { step: 'create-authenticators', acted: false, state: 'completed', attempts: ['no_answer', 'ok'] },
  // The second call is refused because the passkey exists. Either call may have created it.
  {
    step: 'create-authenticators',
    acted: true,
    state: 'outcome_unknown',
    attempts: ['no_answer', 'rejected'],
  },
];

describe('kill -9 of the worker', () => {
  let story: Story;
  beforeAll(async () => {
    story = await Story.begin({
      worker: false,
      // The waits are long and nearly equal, so that at some time every step waits.
      env: { ...ENV, RETRY_FLOOR_MS: '2500', RETRY_BASE_MS: '2500', RETRY_CAP_MS: '2600' },
    });
  });
  afterAll(() => story.end());

  it('between two attempts: the next worker continues each step', async () => {
    const worker = await story.startProcess('worker');
    const all = await prepared(STEPS);
    // The service makes the first attempt. The worker makes the second, and is killed before the third.
    for (const at of all)
      await at.strike({ status: 503, times: 2 }).submit({ headers: { prefer: 'wait=0' } });
    for (const at of all)
      await until('a retry is scheduled', async () => (await at.eventsOf('retry_scheduled')).length === 2);
    await worker.kill();
    expect(all.map((at) => at.calls)).toEqual([2, 2, 2]);

    const next = await story.startProcess('worker');
    for (const at of all) {
      await at.until(DONE_STATE[at.step]);
      expect(at.calls).toBe(3);
      expect(await at.attempts()).toEqual(['unavailable', 'unavailable', 'ok']);
    }
    expect(await next.stop()).toBe(0);
  });

  it('with a call in flight: each step ends as docs/explanation/retry-law.md says', async () => {
    const worker = await story.startProcess('worker');
    const all = await prepared(LAW.map(({ step }) => step));
    for (const [index, at] of all.entries()) {
      const busyThenHanging: Fault[] = [{ status: 429 }, LAW[index]!.acted ? actsAndHangs : hangs];
      await at.strike(...busyThenHanging).submit({ headers: { prefer: 'wait=0' } });
    }
    for (const at of all) await until('the second call is under way', () => at.calls === 2);
    await worker.kill();

    await lapseLeases(story);
    await story.startProcess('worker');
    for (const [index, at] of all.entries()) await endsByLaw(at, index, ['throttled']);
  });

  async function prepared(steps: readonly StepName[]): Promise<StepUnderTest[]> {
    return Promise.all(steps.map((step) => StepUnderTest.before(story, step)));
  }
});

describe('kill -9 of the service', () => {
  let story: Story;
  beforeAll(async () => {
    story = await Story.begin({ env: ENV });
  });
  afterAll(() => story.end());

  it('with the first call in flight: each step ends as docs/explanation/retry-law.md says', async () => {
    const service = await story.startProcess('onboarding');
    const all = await Promise.all(LAW.map(({ step }) => StepUnderTest.before(story, step)));
    const callers = all.map((at, index) =>
      at.strike(LAW[index]!.acted ? actsAndHangs : hangs).submit({ at: service.url }),
    );
    const heard = Promise.allSettled(callers);
    for (const at of all) await until('the call is under way', () => at.calls === 1);
    await service.kill();
    expect((await heard).map(({ status }) => status)).toEqual(all.map(() => 'rejected'));
    await lapseLeases(story);
    for (const [index, at] of all.entries()) {
      await at.findId();
      await endsByLaw(at, index, []);
    }
  });
});

/** @param before the failure classes of the earlier attempts. */
async function endsByLaw(at: StepUnderTest, index: number, before: string[]): Promise<void> {
  const { step, acted, state, attempts } = LAW[index]!;
  const onboarding = await at.until((each) => each.state === state && each.nextAction.type !== 'wait');
  expect(await at.attempts()).toEqual([...before, ...attempts]);
  expect(at.calls).toBe(before.length + attempts.length);
  const ended = (await at.eventsOf('attempt_ended')).filter(({ data }) => data['lapsed'] === true);
  expect(ended.map(({ data }) => data)).toMatchObject([{ step, class: 'no_answer', lapsed: true }]);
  expect(onboarding.unresolved).toEqual(
    state === 'outcome_unknown' ? expect.objectContaining({ step }) : null,
  );
  if (step === 'init-otp') expect(await at.eventsOf('second_mail_possible')).toHaveLength(1);
  if (step === 'create-authenticators') expect(onboarding.authenticators).toHaveLength(acted ? 0 : 1);
}
