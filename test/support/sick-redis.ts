import { expect } from '@jest/globals';
import { until } from '#libs/testing';
import { readyAt } from './health.js';
import type { PrivateRedis, Sickness } from './private-redis.js';
import type { Story } from './story.js';
import { runOut } from './time-travel.js';

/** @returns the milliseconds until `/health/ready` reports this fault. */
export async function untilSaid(url: string, says: RegExp): Promise<number> {
  const from = performance.now();
  await until(
    `${url} says ${says}`,
    async () => says.test((await readyAt(url)).body.checks['redis']?.detail ?? ''),
    15_000,
  );
  return performance.now() - from;
}

/**
 * Checks the apps while Redis cannot be used.
 *
 * @returns the milliseconds until both apps reported the fault, and from the repair to the retry.
 */
export async function endure(
  story: Story,
  workerUrl: string,
  redis: PrivateRedis,
  { says, strike, mend }: Sickness,
): Promise<{ seenMs: number; retriedMs: number }> {
  await strike(redis);
  try {
    const seen = await Promise.all([untilSaid(story.serviceUrl, says), untilSaid(workerUrl, says)]);

    // Requests are still served without a delay.
    const failing = story.newSubject();
    const { userId } = failing;
    story.sandbox.control.addFault({ route: 'init-otp', status: 503, match: { userId }, times: 1 });
    const from = performance.now();
    const waiting = await story.start(failing, {}, { prefer: 'wait=0' });
    expect(waiting.status).toBe(202);
    expect((await story.start(story.newSubject())).status).toBe(201);
    // A timeout of Redis would add two seconds.
    expect(performance.now() - from).toBeLessThan(3_500);

    // The service is degraded, and scheduled work continues.
    expect((await readyAt(story.serviceUrl)).body.status).toBe('degraded');
    const { id } = await story.sent();
    await runOut(story, id, 'code');
    await story.until(id, 'otp_needed');
    await until('the worker expires by its own clock', async () =>
      (await story.eventTypes(id)).includes('otp_expired'),
    );

    await mend(redis);
    const mendedAt = performance.now();
    await story.until(waiting.body.id, 'otp_sent');
    const retriedMs = performance.now() - mendedAt;
    expect(story.calls(failing, 'init-otp')).toBe(2);
    await until('both are well', async () => {
      const all = await Promise.all([readyAt(story.serviceUrl), readyAt(workerUrl)]);
      return all.every(({ body }) => body.checks['redis']!.status === 'up');
    });
    return { seenMs: Math.max(...seen), retriedMs };
  } catch (error) {
    await mend(redis).catch(() => undefined);
    throw error;
  }
}
