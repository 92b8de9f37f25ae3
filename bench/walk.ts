import { randomUUID } from 'node:crypto';
import type { Pool } from 'undici';
import { createPasskey } from '../tools/passkey.js';

export const RP_ID = 'bench.example.com';
export const ORIGIN = `https://${RP_ID}`;

/** In order. Each call except `options` makes one call to the provider. */
export const CALLS = ['start', 'verify', 'options', 'authenticators'] as const;
export type CallName = (typeof CALLS)[number];

/** With an `Idempotency-Key`. */
export const KEYED: readonly CallName[] = ['start', 'verify', 'authenticators'];

export type OnCall = (name: CallName, ms: number) => void | Promise<void>;

/** Takes a new user through a whole onboarding, as a caller and the user's browser do. */
export async function walk(service: Pool, token: string, onCall: OnCall): Promise<void> {
  const subject = { accountId: randomUUID(), userId: randomUUID() };
  const call = async (name: CallName, path: string, body: object, state?: string) => {
    const startedAt = performance.now();
    const { statusCode, body: answer } = await service.request({
      method: 'POST',
      path,
      headers: {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        ...(KEYED.includes(name) ? { 'idempotency-key': randomUUID() } : {}),
      },
      body: JSON.stringify(body),
    });
    const text = await answer.text();
    const ms = performance.now() - startedAt;
    const read = statusCode < 300 ? (JSON.parse(text) as Record<string, string>) : {};
    if (statusCode >= 300 || statusCode === 202 || (state && read['state'] !== state)) {
      throw new Error(`${name} was answered ${statusCode}: ${text.slice(0, 500)}`);
    }
    await onCall(name, ms);
    return read;
  };

  const { id } = await call('start', '/v1/onboardings', { subject }, 'otp_sent');
  const path = `/v1/onboardings/${id}`;
  await call('verify', `${path}/otp/verify`, { code: '123456' }, 'otp_verified');
  const options = await call('options', `${path}/authenticators/options`, { userName: 'ana@example.com' });
  const credential = createPasskey({ rpId: RP_ID, origin: ORIGIN, challenge: options['challenge']! });
  const authenticators = [{ authenticatorName: 'Phone', credential }];
  await call('authenticators', `${path}/authenticators`, { authenticators }, 'completed');
}
