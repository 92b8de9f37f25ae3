/**
 * Sends random requests made from the service's OpenAPI document, and checks each answer against it.
 *
 *   npm run test:fuzz -- [--seed S] [--requests N] [--parallel N]
 */
import { Agent, request as httpRequest } from 'node:http';
import { flagsOrExit } from '#launcher/flags';
import { Interface, type Answer } from '../support/drivers/interface.js';
import { RandomCalls } from '../support/drivers/random-calls.js';
import { Findings, SEED, say } from '../support/drivers/report.js';
import { SeededRandom } from '../support/drivers/seeded-random.js';
import { withServers, type Servers } from '../support/drivers/servers.js';
import { SETTINGS, envOf } from '../support/drivers/settings.js';
import { Values } from '../support/drivers/values.js';
import { callInAnyWeather } from '../support/drivers/weather.js';
import { World } from '../support/world.js';
import { Requests, kindOf, type FuzzRequest } from './requests.js';
import { SMUGGLED, sendRaw } from './smuggling.js';

const flags = flagsOrExit(
  {
    name: 'npm run test:fuzz',
    summary: 'Sends requests of every kind, made from the OpenAPI document.',
    flags: {
      seed: SEED,
      requests: { is: 'count', default: 5000, about: 'requests to send' },
      parallel: { is: 'count', default: 16, about: 'requests at the same time' },
    },
  },
  process.argv.slice(2),
);
const { requests: total, parallel } = flags;

/** From this many requests on, each route must accept at least one and refuse one. */
const MANY = 10_000;

/** This route need not accept a request, because most operations end before they can be aborted. */
const ABORT = '/v1/operations/{id}/abort';

const findings = new Findings();
/** How many requests Node.js refused to send. */
let unsent = 0;
/** How often each route answered with each status. */
const answers = new Map<string, Map<number, number>>();

say(`fuzzing with --seed ${flags.seed} --requests ${total}`);
await withServers('fuzz', (servers) => run(servers, new SeededRandom(flags.seed)));
process.exit(findings.size > 0 ? 1 : 0);

async function run(servers: Servers, random: SeededRandom): Promise<void> {
  const startedAt = Date.now();
  const world = await World.begin({
    env: (sandbox) => ({
      ...envOf(servers, sandbox),
      LOG_LEVEL: 'fatal',
      // With shorter timeouts, the service on a busy machine would report a slow database.
      CALL_TIMEOUT_MS: '9000',
      CLAIM_MAX_AGE_MS: '8000',
      LEASE_MS: '20000',
      // Short, because the run reads each event stream to its end.
      EVENTS_POLL_MS: '5',
      EVENTS_STREAM_LIFE_MS: '50',
    }),
  });
  const { serviceUrl: url, sandbox } = world;
  const described = await Interface.load(url);
  const calls = new RandomCalls(
    random.stream('calls'),
    sandbox.control,
    40,
    `fuzz-${startedAt.toString(36)}-`,
  );
  const values = new Values(described, random.stream('values'));
  const requests = new Requests(
    described,
    values,
    calls,
    random.stream('requests'),
    `Bearer ${SETTINGS.API_KEY}`,
  );
  // A pause of this integration parks steps. Without a parked step, each retry would be refused.
  requests.learn('/v1/integrations', 'byzantine');
  const agent = new Agent({ keepAlive: true, maxSockets: parallel });
  await callInAnyWeather(
    {
      calls: total,
      parallel,
      weather: random.stream('weather'),
      sandbox: sandbox.control,
      isEnough: () => findings.size >= 50,
    },
    () => make(url, agent, described, requests, calls),
  );
  const smuggled = await smuggle(url);
  const alive = await fetch(`${url}/health/live`);
  if (alive.status !== 200) findings.add('the service is not alive afterwards', String(alive.status));
  if (({} as { polluted?: unknown }).polluted !== undefined) findings.add('a prototype was polluted');
  agent.destroy();
  await world.end();
  report(described, smuggled, (Date.now() - startedAt) / 1_000);
}

async function make(
  url: string,
  agent: Agent,
  described: Interface,
  requests: Requests,
  calls: RandomCalls,
): Promise<void> {
  const request = requests.next();
  let answer: Answer;
  try {
    answer = await send(url, agent, request);
  } catch (error) {
    // Node.js refuses some malformed requests. The run sends such requests as raw bytes at the end.
    if ((error as NodeJS.ErrnoException).code?.startsWith('ERR_')) {
      unsent += 1;
      return;
    }
    // The service may answer and close before it has read a large body, and the answer may be lost.
    if (
      request.tricks.includes('large body') &&
      /ECONNRESET|EPIPE/.test(String((error as NodeJS.ErrnoException).code))
    )
      return;
    findings.add(`no answer: ${(error as Error).message}`, describe(request));
    return;
  }
  const { operation } = request;
  const name = operation ? `${operation.method} ${operation.route}` : 'no route';
  const ofName = answers.get(name) ?? new Map<number, number>();
  answers.set(name, ofName.set(answer.status, (ofName.get(answer.status) ?? 0) + 1));
  const fault = operation ? described.fault(operation, answer) : described.strayFault(answer);
  const cached = answer.headers['cache-control'] !== 'no-store' ? `${name} may be cached` : null;
  const nameless = answer.headers['x-request-id'] === undefined ? `${name} has no X-Request-Id` : null;
  for (const each of [fault, cached, nameless]) {
    if (each) findings.add(each, `${describe(request)}\n  → ${answer.text.slice(0, 400)}`);
  }
  learn(request, answer, requests, calls);
}

function learn(
  { someone, operation }: FuzzRequest,
  answer: Answer,
  requests: Requests,
  calls: RandomCalls,
): void {
  if (!answer.text.startsWith('{')) return;
  const body = JSON.parse(answer.text) as Record<string, unknown>;
  if (operation && typeof body['id'] === 'string') requests.learn(kindOf(operation.route), body['id']);
  if (!someone) return;
  if (answer.status === 429) return calls.replace(someone);
  if (answer.status >= 300) return;
  calls.learn(someone, operation?.route ?? '', body);
}

function send(url: string, agent: Agent, { method, path, headers, body }: FuzzRequest): Promise<Answer> {
  const { hostname, port } = new URL(url);
  // Without content-length, the body of a GET or DELETE would be read as the next request.
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  return new Promise((resolve, reject) => {
    const sent = httpRequest(
      { hostname, port, method, path, headers: { ...length, ...headers }, agent },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => void chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode!,
            headers: response.headers,
            text: Buffer.concat(chunks).toString(),
          }),
        );
      },
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

/**
 * Expects at most one answer to each raw request: a 4xx.
 * @returns the number of raw requests.
 */
async function smuggle(url: string): Promise<number> {
  for (const [name, bytes] of Object.entries(SMUGGLED)) {
    const statuses = await sendRaw(url, bytes);
    const refused = statuses.every((status) => status >= 400 && status < 500);
    if (!refused || statuses.length > 1)
      findings.add(`smuggling by "${name}" was answered ${statuses.join(', ')}`);
  }
  return Object.keys(SMUGGLED).length;
}

function describe({ method, path, headers, body, tricks }: FuzzRequest): string {
  const how = tricks.join(', ') || 'as documented';
  const what = `${method} ${path.slice(0, 200)} ${JSON.stringify(headers).slice(0, 300)}`;
  return `${how}: ${what} ${String(body).slice(0, 400)}`;
}

function report(described: Interface, smuggled: number, seconds: number): void {
  const count = (statuses: Map<number, number>) => [...statuses.values()].reduce((sum, n) => sum + n, 0);
  const made = [...answers.values()].reduce((sum, statuses) => sum + count(statuses), 0);
  say(`seed ${flags.seed}: ${made} requests in ${Math.round(seconds)} s, and ${smuggled} raw requests`);
  for (const [name, statuses] of [...answers].sort(([a], [b]) => a.localeCompare(b))) {
    const by = [...statuses].sort(([a], [b]) => a - b).map(([status, n]) => `${status} ${n}`);
    say(`  ${name}: ${by.join(', ')}`);
  }
  // A route that accepted or refused no request was not tested enough.
  for (const { method, route } of described.operations) {
    const statuses = [...(answers.get(`${method} ${route}`)?.keys() ?? [])];
    if (made >= MANY && route !== ABORT && !statuses.some((status) => status < 300))
      findings.add(`${method} ${route} never succeeded`);
    if (made >= MANY && !statuses.some((status) => status >= 400))
      findings.add(`${method} ${route} never refused`);
  }
  const server = [...answers.values()]
    .flatMap((statuses) => [...statuses.keys()])
    .filter((status) => status >= 500);
  if (unsent > total / 50) findings.add(`${unsent} requests could not be sent`);
  say(`${server.length} kinds of 5xx, ${findings.size} faults`);
  findings.report();
}
