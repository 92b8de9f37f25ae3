import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { until } from '#libs/testing';
import { DONE_STATE, STEPS, StepUnderTest, WAITING_STATE } from '../../support/step-under-test.js';
import { Story } from '../../support/story.js';
import type { TcpProxy } from '../../support/tcp-proxy.js';

/** The delay in each direction. Both together exceed CLAIM_MAX_AGE_MS. */
const SLOW_MS = 1_500;

let database: TcpProxy;
let story: Story;
let slowReplicaUrl: string;
beforeEach(async () => {
  story = await Story.begin({ worker: false });
  database = await story.proxyTo('DATABASE_URL');
  const env = {
    DATABASE_URL: database.url,
    CLAIM_MAX_AGE_MS: '2900',
    RETRY_FLOOR_MS: '300',
    RETRY_CAP_MS: '300',
  };
  slowReplicaUrl = (await story.startService(env)).url;
});
afterEach(() => story.end());

describe('an attempt whose first statement PostgreSQL acknowledges too late', () => {
  it.each(STEPS)(
    'makes no call and uses up neither a try nor a send; the worker tries again later: %s',
    async (step) => {
      const at = await StepUnderTest.before(story, step);
      // Opens the connections before the proxy becomes slow.
      const read = () => story.call('GET', '/v1/onboardings', undefined, {}, slowReplicaUrl);
      await Promise.all(Array.from({ length: 4 }, read));
      database.slow(SLOW_MS);
      const { status, body } = await at.submit({ at: slowReplicaUrl, headers: { prefer: 'wait=2' } });
      database.slow(0);
      expect([status, body.state]).toEqual([202, WAITING_STATE[step]]);
      await until('the attempt has ended', async () => (await at.attempts()).length > 0);
      expect(await at.attempts()).toEqual(['not_sent']);
      expect(at.calls).toBe(0);
      const { otp, unresolved } = (await story.get(at.id)).body;
      expect(unresolved).toBeNull();
      if (step === 'init-otp') expect(otp.sends).toBe(0);
      if (step === 'verify-otp') expect(otp.attemptsLeft).toBe(3);

      await story.startWorker();
      await at.until(DONE_STATE[step]);
      expect(at.calls).toBe(1);
    },
  );
});
