/**
 * Measures a signed POST of an init-otp body with each HTTP client: 16 requests at a time, over keep-alive
 * connections, to a server in another process.
 *
 *     node bench/http-client.mjs        (Node.js 24; `npm run bench -- --quick` installs axios)
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { Agent } from 'node:http';
import axios, { AxiosHeaders } from 'axios';
import { Pool } from 'undici';
import { compare, printTable } from './compare.mjs';

const AT_ONCE = 16;
const server = fork(new URL('./answering-server.mjs', import.meta.url));
const [port] = await once(server, 'message');
const origin = `http://127.0.0.1:${port}`;
const path = '/v1/submit/init-otp';
const body = JSON.stringify({
  accountId: '550e8400-e29b-41d4-a716-446655440000',
  userId: '6ba7b810-9dad-41d1-80b4-00c04fd430c8',
});
const headers = {
  accept: 'application/json',
  'content-type': 'application/json',
  'X-Pubkey': `0x02${'ab'.repeat(32)}`,
  'X-Timestamp': '1760375826',
  'X-Signature': `0x3045${'cd'.repeat(69)}`,
};
const asItStands = {
  transformRequest: (data) => data,
  transformResponse: (data) => data,
  validateStatus: null,
};
const newPool = () =>
  new Pool(origin, { connections: AT_ONCE, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });

const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE });
const overNode = axios.create({
  baseURL: origin,
  httpAgent: agent,
  maxRedirects: 0,
  proxy: false,
  ...asItStands,
});
const viaAxios = async () => (await overNode.post(path, body, { headers, responseType: 'text' })).data;

const adapterPool = newPool();
const overPool = axios.create({ ...asItStands, adapter: (config) => dispatch(adapterPool, config) });
const viaAdapter = async () => (await overPool.post(path, body, { headers })).data;

const barePool = newPool();
const viaUndici = async () => {
  const answer = await barePool.request({ path, method: 'POST', headers, body });
  return answer.body.text();
};

const viaFetch = async () => (await fetch(origin + path, { method: 'POST', headers, body })).text();

function dispatch(pool, config) {
  return new Promise((resolve, reject) => {
    const chunks = [];
    const answer = { status: 0, statusText: '', headers: {}, config };
    const request = {
      path: config.url,
      method: config.method.toUpperCase(),
      headers: AxiosHeaders.from(config.headers).toJSON(),
      body: config.data,
    };
    pool.dispatch(request, {
      onRequestStart() {},
      onResponseStart(_controller, status, received) {
        answer.status = status;
        answer.headers = new AxiosHeaders(received);
      },
      onResponseData: (_controller, chunk) => chunks.push(chunk),
      onResponseEnd: () => resolve({ ...answer, data: Buffer.concat(chunks).toString('utf8') }),
      onResponseError: (_controller, error) => reject(error),
    });
  });
}

/** The service's own client, from the last build. */
async function ownClient() {
  const built = new URL('../dist/libs/upstream/src/transport/http-client.js', import.meta.url);
  if (!existsSync(built)) return null;
  await import('reflect-metadata');
  const { UpstreamHttpClient } = await import(built);
  const clock = { nowMs: () => Date.now(), monotonicMs: () => performance.now() };
  const config = { UPSTREAM_CONNECTIONS: AT_ONCE, CONNECT_TIMEOUT_MS: 5_000 };
  const client = new UpstreamHttpClient(config, clock);
  const call = { timeoutMs: 10_000, beforeSend: () => {} };
  const request = { baseUrl: origin, lane: 'init-otp', method: 'POST', pathAndQuery: path, headers, body };
  return async () => (await client.send(call, request)).text;
}

const keepBusy = (send) => async (count) => {
  let left = count;
  const lane = async () => {
    while (left-- > 0) {
      if (!(await send()).startsWith('{"otpId"')) throw new Error('not the answer that was expected');
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
};

const viaOwn = await ownClient();
const variants = [
  ['undici Pool, bare', viaUndici],
  ['axios, adapter on an undici Pool', viaAdapter],
  ...(viaOwn ? [["the service's client: undici Pool, deadline, evidence", viaOwn]] : []),
  ['axios, its own http adapter, keep-alive agent', viaAxios],
  ['global fetch', viaFetch],
].map(([name, send]) => ({ name, run: keepBusy(send), count: 8_000 }));

const results = await compare(variants);
printTable(
  ['one request', 'CPU, µs', 'times the first', 'requests/s, 16 at once'],
  results.map(({ name, cpuUs, wallUs }) => [
    name,
    cpuUs.toFixed(0),
    (cpuUs / results[0].cpuUs).toFixed(1),
    (1e6 / wallUs).toFixed(0),
  ]),
);
if (!viaOwn) console.log("The table lacks the service's own client. Build it with: npm run build");
process.exit();
