import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Story, type Subject } from '../../support/story.js';

jest.setTimeout(300_000);

/** With three users, a call is always in flight, and the machine can still start processes. */
const AT_ONCE = 3;
/** The load balancer needs at most this time to notice that a replica drains. */
const NOTICE = { DRAIN_NOTICE_MS: '3000' };
const POLL_MS = 50;

let story: Story;
beforeAll(async () => {
  // Long timeouts, because a process that starts slows down the others.
  story = await Story.begin({
    worker: false,
    env: { CALL_TIMEOUT_MS: '20000', CLAIM_MAX_AGE_MS: '9000', LEASE_MS: '30000' },
  });
});
afterAll(() => story.end());

/** Polls the readiness of each replica, and sends requests only to ready ones. */
class Balancer {
  readonly #ready = new Map<string, boolean>();
  #next = 0;
  #watching = true;

  add(url: string): void {
    this.#ready.set(url, true);
    void this.#watch(url);
  }

  remove(url: string): void {
    this.#ready.delete(url);
  }

  stop(): void {
    this.#watching = false;
  }

  pick(): string {
    const ready = [...this.#ready].filter(([, is]) => is).map(([url]) => url);
    if (ready.length === 0) throw new Error('no replica is ready');
    return ready[this.#next++ % ready.length]!;
  }

  async #watch(url: string): Promise<void> {
    while (this.#watching && this.#ready.has(url)) {
      const { ok } = await fetch(`${url}/health/ready`).catch(() => ({ ok: false }));
      if (this.#ready.has(url)) this.#ready.set(url, ok);
      await pause(POLL_MS);
    }
  }
}

describe('a rolling restart of two services and two workers under load', () => {
  it('fails no request and loses no attempt', async () => {
    const balancer = new Balancer();
    const service = async () => {
      const replica = await story.startProcess('onboarding', NOTICE);
      balancer.add(replica.url);
      return replica;
    };
    const services = [await service(), await service()];
    const workers = [await story.startProcess('worker'), await story.startProcess('worker')];

    const failed: string[] = [];
    const ids: string[] = [];
    let rolling = true;
    const ask = async (method: string, path: string, body?: unknown) => {
      try {
        const answer = await story.call(method, path, body, {}, balancer.pick());
        if (answer.status >= 300)
          failed.push(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
        return answer;
      } catch (error) {
        failed.push(`${method} ${path}: ${String((error as Error).cause ?? error)}`);
        return null;
      }
    };
    const user = async () => {
      while (rolling) {
        const subject = story.newSubject();
        // The first attempt fails, so that the workers always have retries to make.
        story.sandbox.control.addFault({ route: 'init-otp', status: 503, match: { userId: subject.userId } });
        await onboard(subject);
      }
    };
    const onboard = async (subject: Subject) => {
      const { accountId, userId } = subject;
      const started = await ask('POST', '/v1/onboardings', { subject: { accountId, userId } });
      if (!started) return;
      ids.push(started.body.id);
      await story.until(started.body.id, 'otp_sent');
      await ask('POST', `/v1/onboardings/${started.body.id}/otp/verify`, { code: story.code(subject) });
      await ask('GET', `/v1/onboardings/${started.body.id}`);
    };
    const users = Array.from({ length: AT_ONCE }, user);

    for (const index of [0, 1]) {
      const fresh = await service();
      expect(await services[index]!.stop()).toBe(0);
      balancer.remove(services[index]!.url);
      services[index] = fresh;
      expect(await workers[index]!.stop()).toBe(0);
      workers[index] = await story.startProcess('worker');
    }
    rolling = false;
    await Promise.all(users);
    balancer.stop();

    expect(failed).toEqual([]);
    expect(ids.length).toBeGreaterThan(AT_ONCE);
    for (const id of ids) await story.until(id, 'otp_verified');
    const lost = await story.sql(`SELECT onboarding_id FROM onboarding_events
      WHERE type = 'attempt_ended' AND (data ->> 'lapsed' = 'true' OR data ->> 'class' = 'no_answer')`);
    expect(lost).toEqual([]);
  });
});
