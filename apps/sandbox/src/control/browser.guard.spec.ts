import { request } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { sandboxUnderTest } from '../../test/sandbox-under-test.js';
import type { SandboxUnderTest } from '../../test/sandbox-under-test.js';

let t: SandboxUnderTest;
beforeAll(async () => {
  t = await sandboxUnderTest();
});
beforeEach(() => t.sandbox.control.reset());
afterAll(() => t.sandbox.close());

/** Fetch would set Host and Origin itself. */
function statusOf(method: string, path: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(`${t.sandbox.url}${path}`, { method, headers }, (response) => {
      response.resume().once('end', () => resolve(response.statusCode ?? 0));
    });
    sent.once('error', reject).end();
  });
}

/** Sets a fault, asks for a reset, and returns whether the reset has deleted the fault. */
async function forgets(headers: Record<string, string>, path = '/_sandbox/reset'): Promise<boolean> {
  t.sandbox.control.addFault({ route: '*', status: 503 });
  const status = await statusOf('POST', path, headers);
  const isDone = t.sandbox.control.pendingFaults().length === 0;
  expect(status).toBe(isDone ? 204 : 403);
  return isDone;
}

describe('a request that changes the sandbox’s state', () => {
  it('is accepted without the header Origin, as curl and tests send it', async () => {
    expect(await forgets({})).toBe(true);
    expect(await forgets({ 'content-type': 'application/x-www-form-urlencoded' })).toBe(true);
  });

  it('is accepted from the page of the sandbox', async () => {
    const { host, origin } = new URL(t.sandbox.url);
    expect(await forgets({ host, origin, 'sec-fetch-site': 'same-origin' })).toBe(true);
  });

  it.each([
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { origin: 'http://127.0.0.1:1' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ])('is refused if its headers show another website: %j', async (headers) => {
    expect(await forgets(headers)).toBe(false);
  });

  it('is refused from another website, even if the path is percent-encoded', async () => {
    const origin = { origin: 'http://evil.example' };
    expect(await forgets(origin, '/%5Fsandbox/reset')).toBe(false);
    expect(t.sandbox.control.requests()).toEqual([]);
  });
});

describe('the Host header', () => {
  it.each([
    '127.0.0.1',
    '127.0.0.1:4000',
    '[::1]:4000',
    'localhost:4000',
    'sandbox:4000',
    'host.docker.internal',
  ])('may be %s', async (host) => {
    expect(await statusOf('GET', '/_sandbox/mailbox', { host })).toBe(200);
  });

  it.each(['evil.example', '127.0.0.1.evil.example:4000', 'evil.internal.example', 'localhost.'])(
    'may not be %s, a name that could resolve to this machine',
    async (host) => {
      for (const path of ['mailbox', 'glance', '', 'main.js']) {
        expect(await statusOf('GET', `/_sandbox/${path}`, { host })).toBe(403);
      }
      expect(await forgets({ host, origin: `http://${host}` })).toBe(false);
    },
  );

  it('may be any name in a request to an emulated upstream', async () => {
    expect(await statusOf('GET', '/v1/health', { host: 'evil.example' })).toBe(200);
  });
});
