/**
 * A stand-in for the provider that checks nothing. It is a separate process, so that its CPU time does not
 * count as the service's.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

const SESSION_LIFE_MS = 900_000;
const uuid = '0f8fad5b-d9cb-469f-a165-70867728950e';
let delayMs = 0;
let fails = false;
/** By second (Unix time). */
const calls = new Map<number, number>();

function answer(path = ''): object {
  if (path === '/v1/submit/init-otp') return { otpId: uuid };
  if (path === '/v1/submit/otp-auth') {
    const expiresAt = new Date(Date.now() + SESSION_LIFE_MS).toISOString();
    return { session: 'opaque', sessionId: uuid, expiresAt };
  }
  if (path === '/v1/submit/create-authenticators-otp') return { authenticatorIds: [uuid] };
  return { integratorId: uuid, accessScope: 'read_write', label: null, capabilities: { canWrite: true } };
}

const server = createServer((request, response) => {
  const second = Math.floor(Date.now() / 1_000);
  calls.set(second, (calls.get(second) ?? 0) + 1);
  request.resume().once('end', async () => {
    if (delayMs > 0) await wait(delayMs);
    const body = JSON.stringify(fails ? { message: 'unavailable' } : answer(request.url));
    response
      .writeHead(fails ? 503 : 200, { 'content-type': 'application/json', 'content-length': body.length })
      .end(body);
  });
});
server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }));
process.on('message', (message: { delayMs: number; fails: boolean }) => {
  ({ delayMs, fails } = message);
  process.send!({ calls: [...calls] });
  calls.clear();
});
process.once('disconnect', () => process.exit());
