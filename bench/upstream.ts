/**
 * A stand-in for the provider that checks nothing and answers at once, or after a delay. It is a process of
 * its own, so that its CPU does not count for a contender.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

const SESSION_LIFE_MS = 900_000;
const uuid = '0f8fad5b-d9cb-469f-a165-70867728950e';
let delayMs = 0;

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
  request.resume().once('end', async () => {
    if (delayMs > 0) await wait(delayMs);
    const body = JSON.stringify(answer(request.url));
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
  });
});
server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () => process.send!({ port: (server.address() as AddressInfo).port }));
process.on('message', (message: { delayMs: number }) => {
  delayMs = message.delayMs;
  process.send!({ delayMs });
});
process.once('disconnect', () => process.exit());
