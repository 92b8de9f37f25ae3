import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { json } from 'node:stream/consumers';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Gangway } from '../src/gangway.js';

let server: Server;
let gangway: Gangway;
beforeAll(async () => {
  server = createServer((request, response) => {
    void json(request).then((body) => response.end(JSON.stringify({ path: request.url, body })));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  gangway = new Gangway({ url: `http://127.0.0.1:${port}`, apiKey: 'gw_key' });
});
afterAll(() => void server.close());

describe('the client of Gangway', () => {
  it('asks for a new code, and passes on the options for the code', async () => {
    const path = '/v1/onboardings/an-id/otp/resend';
    expect(await gangway.resend('an-id')).toMatchObject({ path, body: {} });
    const captcha = { otp: { captchaToken: 'a-token' } };
    expect(await gangway.resend('an-id', captcha)).toMatchObject({ path, body: captcha });
  });
});
