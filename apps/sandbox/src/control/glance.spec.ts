import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { sandboxUnderTest } from '../../test/sandbox-under-test.js';
import type { SandboxUnderTest } from '../../test/sandbox-under-test.js';
import { GLANCE_LIMIT, type Glance } from './glance.js';

let t: SandboxUnderTest;
beforeAll(async () => {
  t = await sandboxUnderTest();
});
beforeEach(() => t.sandbox.control.reset());
afterAll(() => t.sandbox.close());

const glance = async (query = '') => (await t.control('GET', `glance${query}`)).body as Glance;

describe('/_sandbox/glance', () => {
  it('shows mails and requests, newest first, and the faults that applied to these requests', async () => {
    const spent = t.sandbox.control.addFault({ route: 'init-otp', status: 503 });
    const first = await t.mailed();
    expect(first.code).toBe('');
    await t.integrator.submit('init-otp', first.ids);
    const second = await t.mailed();
    const waiting = t.sandbox.control.addFault({ route: 'otp-auth', cut: 'after' });

    const seen = await glance();
    expect(seen).toMatchObject({
      now: '2026-11-20T10:00:00.000Z',
      mails: [{ email: second.email }, { email: first.email }],
      requests: [{ answer: 200 }, { answer: 200 }, { answer: 503, fault: spent.id }],
      faults: [{ id: waiting.id }],
      struck: [{ id: spent.id, answer: { status: 503 } }],
    });
    expect(seen.struck).toHaveLength(1);
    expect(seen.routes).toEqual(expect.arrayContaining(['init-otp', '*']));
  });

  it('can be filtered by part of an e-mail address and by user', async () => {
    const ana = await t.mailed();
    await t.mailed();
    const part = ana.email.slice(3, 20).toUpperCase();
    expect((await glance(`?address=${part}`)).mails).toMatchObject([{ email: ana.email }]);
    expect((await glance(`?userId=${ana.ids.userId.toUpperCase()}`)).requests).toMatchObject([ana.ids]);
  });

  it('omits health checks without a fault, and limits the number of requests', async () => {
    t.sandbox.control.addFault({ route: 'health', status: 503 });
    for (let n = 0; n < GLANCE_LIMIT + 2; n += 1) await t.integrator.get('/v1/health');
    expect((await glance()).requests).toMatchObject([{ seq: 1, answer: 503 }]);
    for (let n = 0; n < GLANCE_LIMIT; n += 1) await t.integrator.submit('init-otp', '');
    const { requests } = await glance();
    expect(requests).toHaveLength(GLANCE_LIMIT);
    expect(requests[0]).toMatchObject({ seq: 2 * GLANCE_LIMIT + 2 });
  });
});
