import { randomUUID } from 'node:crypto';
import { startSandbox } from '../src/sandbox.js';
import type { Sandbox, SandboxOptions } from '../src/sandbox.js';
import { Integrator } from './integrator.js';

export const INTEGRATOR_KEY = '01'.repeat(32);
export const READER_KEY = '05'.repeat(32);

/** A clock that moves only when a test moves it. */
export class StillClock {
  #nowMs = Date.UTC(2026, 10, 20, 10, 0, 0);
  nowMs = () => this.#nowMs;
  pass(ms: number): void {
    this.#nowMs += ms;
  }
}

/** Starts a sandbox with two clients: `integrator` may write, `reader` may only read. */
export async function sandboxUnderTest(options: SandboxOptions = {}) {
  const clock = new StillClock();
  const pubkey = (key: string) => new Integrator('', key).pubkey;
  const sandbox: Sandbox = await startSandbox({
    pubkeys: [`${pubkey(INTEGRATOR_KEY)}:read_write:ci`, `${pubkey(READER_KEY)}:read_only`],
    clock,
    ...options,
  });
  const integrator = new Integrator(sandbox.url, INTEGRATOR_KEY, clock.nowMs);
  const reader = new Integrator(sandbox.url, READER_KEY, clock.nowMs);

  const newSubject = () => {
    const ids = { accountId: randomUUID(), userId: randomUUID() };
    const email = `${ids.userId}@example.com`;
    sandbox.control.addSubject({ ...ids, email });
    return { ids, email };
  };
  const mailed = async () => {
    const { ids, email } = newSubject();
    await integrator.submit('init-otp', ids);
    const { otpId, code } = sandbox.control.mails({ email })[0] ?? { otpId: '', code: '' };
    return { ids, email, otpId, code };
  };
  const loggedIn = async () => {
    const { ids, otpId, code } = await mailed();
    const answer = await integrator.submit('otp-auth', { ...ids, otpId, otpCode: code });
    return { ids, sessionId: (answer.body as { sessionId: string }).sessionId };
  };
  const control = async (method: string, path: string, body?: unknown) => {
    const response = await fetch(`${sandbox.url}/_sandbox/${path}`, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: (text ? JSON.parse(text) : null) as unknown };
  };
  return { sandbox, clock, integrator, reader, newSubject, mailed, loggedIn, control };
}

export type SandboxUnderTest = Awaited<ReturnType<typeof sandboxUnderTest>>;

/** Checks in each turn of the event loop; jest's timeout ends the wait. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

export const otherThan = (code: string) => (code === '000000' ? '000001' : '000000');
