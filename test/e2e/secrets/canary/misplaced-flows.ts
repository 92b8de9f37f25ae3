import { request } from 'node:http';
import { connect } from 'node:net';
import { once } from 'node:events';
import { WRONG_CODE, type Canary } from './canary.js';

/** Sends secrets in paths, queries, headers, names, and bodies of other content types. */
export async function misplacedFlows(canary: Canary): Promise<void> {
  const { story } = canary;
  const { id, subject } = await story.sent();
  const secrets = [WRONG_CODE, canary.code(subject), canary.apiKey, canary.opsPassword];
  await Promise.all(secrets.map((secret) => misplace(canary, id, secret)));
  await story.cancel(id);
}

async function misplace(canary: Canary, id: string, secret: string): Promise<void> {
  const { story } = canary;
  const path = `/v1/onboardings/${id}/otp/verify`;
  const { accountId, userId } = story.newSubject();
  const contact = { type: 'email', value: 'ana@example.com' };
  for (const body of [
    `{"code": ${secret}}`,
    `{"code": "${secret}`,
    `"${secret}"`,
    `{"code": "${secret}" "${secret}"}`,
    { code: `${secret}${secret}` },
    { code: [secret] },
    { otp: { code: secret } },
    { [secret]: secret },
    { code: { [secret]: true } },
    { code: 'x', [`a/${secret}~`]: 1 },
    { encryptedOtpBundle: secret },
    { encryptedOtpBundle: JSON.stringify({ encappedPublic: secret, ciphertext: secret }) },
  ]) {
    await story.call('POST', path, body);
  }
  for (const [where, body] of [
    ['/v1/onboardings', { integration: secret, subject: {} }],
    [
      '/v1/onboardings',
      { integration: 'byzantine', subject: { accountId: secret, userId: [secret], [secret]: 1 } },
    ],
    ['/v1/onboardings', { integration: 'turnkey', subject: { contact: { type: secret, value: secret } } }],
    [
      '/v1/onboardings',
      { integration: 'byzantine', subject: { accountId, userId }, otp: { [secret]: secret } },
    ],
    ['/v1/onboardings', { integration: 'turnkey', subject: { contact }, otp: { [secret]: secret } }],
    [
      '/v1/onboardings',
      {
        integration: 'turnkey',
        subject: { contact: { type: 'email', value: secret } },
        otp: { [secret]: secret },
      },
    ],
    [`/v1/onboardings/${id}/resolve`, { outcome: secret, reason: 'x' }],
    [
      `/v1/onboardings/${id}/authenticators`,
      { authenticators: [{ authenticatorName: 'x', credential: { id: secret } }] },
    ],
    [
      `/v1/onboardings/${id}/authenticators`,
      { device: { clientSignature: secret, body: secret, stamp: secret } },
    ],
    ['/v1/admin/api-keys', { caller: 'x', scopes: [secret], [secret]: secret }],
  ] as const) {
    await story.call('POST', where, body);
  }
  await story.call('POST', path, `code=${secret}`, { 'content-type': 'application/x-www-form-urlencoded' });
  await story.call('POST', path, `<code>${secret}</code>`, { 'content-type': `text/${secret}` });
  await story.call('POST', path, { code: 'x' }, { 'content-encoding': secret });
  await story.call('GET', `/v1/onboardings/${id}/events/stream`, undefined, { 'last-event-id': secret });
  for (const name of [
    'authorization',
    'if-match',
    'prefer',
    'cookie',
    'accept',
    'user-agent',
    'traceparent',
    'tracestate',
    'baggage',
    'referer',
    'x-forwarded-for',
    'forwarded',
    'origin',
    'x-api-key',
    `x-${secret}`.replace(/[^\w-]/g, ''),
  ]) {
    await story.call('GET', `/v1/onboardings/${id}`, undefined, { [name]: secret });
  }
  for (const where of [
    `/v1/onboardings/${secret}`,
    `/v1/onboardings/${secret}/otp/verify`,
    `/v1/onboardings/${id}/${secret}`,
    `/v1/${secret}`,
    `/${secret}`,
    `/ops/${secret}`,
    `/docs/${secret}`,
    `/health/${secret}`,
    `/v1/admin/api-keys/${secret}/revoke`,
    `/v1/onboardings?${secret}=${secret}`,
    `/v1/onboardings?state=${secret}`,
    `/v1/onboardings?contact=${secret}`,
    `/v1/onboardings?cursor=${secret}&limit=${secret}`,
    `/v1/onboardings/${id}?code=${secret}`,
    `/v1/onboardings/${id}/events/stream?after=${secret}`,
    `/v1/nothing?code=${secret}`,
    `/%zz/${secret}`,
  ]) {
    await raw(canary, 'GET', where);
    await raw(canary, 'POST', where);
  }
  await raw(canary, 'GET', '/v1/onboardings', { host: secret });
  for (const bytes of [
    `${secret} / HTTP/1.1\r\n\r\n`,
    `GET /${secret} HTTP/9\r\n\r\n`,
    `GET / HTTP/1.1\r\n${secret}\r\n\r\n`,
  ]) {
    await bareBytes(canary, bytes);
  }
}

/** The answer need not be JSON. */
function raw(
  canary: Canary,
  method: string,
  path: string,
  headers: Record<string, string> = {},
): Promise<void> {
  const { hostname, port } = new URL(canary.service.url);
  const all = { authorization: `Bearer ${canary.apiKey}`, ...headers };
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, method, path, headers: all }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += String(chunk)));
      response.on('end', () => {
        canary.told(response.statusCode!, Object.entries(response.headers), text);
        resolve();
      });
    });
    sent.on('error', reject);
    sent.end();
  });
}

async function bareBytes(canary: Canary, bytes: string): Promise<void> {
  const { hostname, port } = new URL(canary.service.url);
  const socket = connect(Number(port), hostname);
  let text = '';
  socket.on('data', (chunk) => (text += String(chunk)));
  socket.write(bytes);
  await once(socket, 'close');
  canary.told(400, [], text);
}
