/**
 * Sends the service requests of every kind, made from its own OpenAPI document, and holds each answer against it.
 *
 *   npm run test:fuzz -- [--seed S] [--requests N] [--parallel N]
 *
 * The service runs in this process behind real sockets, over a real PostgreSQL, Redis and the sandbox.
 */
import { Agent, request as httpRequest } from 'node:http';
import { flagsOrExit } from '#launcher/flags';
import { migrate } from '#libs/database';
import { parseConfig } from '#libs/platform';
import { PROVIDERS } from '#libs/upstream';
import { createApp } from '../../apps/onboarding/src/app.js';
import { startSandbox } from '../../apps/sandbox/src/sandbox.js';
import { createWorker, startJobs } from '../../apps/worker/src/app.js';
import { RandomCalls, type Someone } from '../support/drivers/random-calls.js';
import { SeededRandom } from '../support/drivers/seeded-random.js';
import { startServers } from '../support/drivers/servers.js';
import { nextFault } from '../chaos/script.js';
import { SETTINGS } from '../support/drivers/settings.js';
import { Interface, type Answer } from '../support/drivers/interface.js';
import { Requests, kindOf, type FuzzRequest } from './requests.js';
import { SMUGGLED, sendRaw } from './smuggling.js';
import { Values } from '../support/drivers/values.js';

const say = (line: string) => void process.stdout.write(`${line}\n`);

const flags = flagsOrExit(
  {
    name: 'npm run test:fuzz',
    summary: 'Sends requests of every kind, made from the OpenAPI document.',
    flags: {
      seed: {
        is: 'text',
        default: String(Date.now() % 1_000_000),
        about: 'the same seed makes the same choices',
      },
      requests: { is: 'count', default: 5000, about: 'requests to send' },
      parallel: { is: 'count', default: 16, about: 'requests at once' },
    },
  },
  process.argv.slice(2),
);
const { requests: total, parallel } = flags;

/** From so many requests on, each route must have been got into, and have refused. */
const MANY = 10_000;

/** What should not be, each kind once, with the first request that met it. */
const faults = new Map<string, string>();
/** Requests that never left. */
let unsent = 0;
/** How often each route answered what. */
const answers = new Map<string, Map<number, number>>();

say(`fuzzing with --seed ${flags.seed} --requests ${total}`);
const queuePrefix = process.env['QUEUE_PREFIX'] ?? '{fuzz}';
const servers = await startServers(queuePrefix);
try {
  await run(new SeededRandom(flags.seed));
} finally {
  await servers.stop();
}
process.exit(faults.size > 0 ? 1 : 0);

async function run(random: SeededRandom): Promise<void> {
  const startedAt = Date.now();
  await migrate(servers.postgres.url);
  const sandbox = await startSandbox();
  const config = parseConfig(
    {
      ...SETTINGS,
      LOG_LEVEL: 'fatal',
      PORT: '0',
      CALL_TIMEOUT_MS: '300',
      CLAIM_MAX_AGE_MS: '250',
      LEASE_MS: '700',
      // Each answer is read to its end.
      EVENTS_POLL_MS: '5',
      EVENTS_STREAM_LIFE_MS: '50',
      QUEUE_PREFIX: queuePrefix,
      DATABASE_URL: servers.postgres.url,
      REDIS_URL: servers.redis.url,
      INTEGRATION_BYZANTINE_BASE_URL: sandbox.url,
      INTEGRATION_BYZANTINE_PRIVATE_KEY: sandbox.credential!.privateKeyHex,
    },
    PROVIDERS,
  );
  const service = await createApp(config);
  const worker = await createWorker(config);
  await service.listen(0, '127.0.0.1');
  await worker.init();
  startJobs(worker);
  const url = await service.getUrl();
  const described = await Interface.of(url);
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
  const weather = random.stream('weather');
  const agent = new Agent({ keepAlive: true, maxSockets: parallel });

  let left = total;
  const caller = async () => {
    while (left > 0 && faults.size < 50) {
      left -= 1;
      if (weather.chance(0.03) && sandbox.control.pendingFaults().length < 4) {
        sandbox.control.addFault(nextFault(weather));
      }
      await make(url, agent, described, requests, calls);
    }
  };
  await Promise.all(Array.from({ length: parallel }, caller));
  const smuggled = await smuggle(url);
  const alive = await fetch(`${url}/health/live`);
  if (alive.status !== 200) faults.set('the service is not alive afterwards', String(alive.status));
  if (({} as { polluted?: unknown }).polluted !== undefined) faults.set('a prototype was polluted', '');
  agent.destroy();
  for (const closable of [service, worker, sandbox]) await closable.close();
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
    // Node's own client refuses to send some of this; the raw requests make up for it.
    if ((error as NodeJS.ErrnoException).code?.startsWith('ERR_')) {
      unsent += 1;
      return;
    }
    // A body that is too large is answered before it was read; its sender may see no more than the closed door.
    if (
      request.tricks.includes('large body') &&
      /ECONNRESET|EPIPE/.test(String((error as NodeJS.ErrnoException).code))
    )
      return;
    faults.set(`no answer: ${(error as Error).message}`, describe(request));
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
    if (each && !faults.has(each)) faults.set(each, `${describe(request)}\n  → ${answer.text.slice(0, 400)}`);
  }
  learn(request, answer, requests, calls);
}

/** What later requests build upon. */
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
  if (typeof body['challenge'] === 'string') someone.challenge = body['challenge'];
  if (typeof body['version'] !== 'number') return;
  const { userId } = body['subject'] as Someone['subject'];
  if (userId !== someone.subject.userId) return;
  Object.assign(someone, { id: String(body['id']), version: body['version'] });
}

function send(url: string, agent: Agent, { method, path, headers, body }: FuzzRequest): Promise<Answer> {
  const { hostname, port } = new URL(url);
  // Node sends the body of some methods without it, as if it were the next request.
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

/** @returns how many tricks were answered, each by one refusal at most, and never by a 5xx. */
async function smuggle(url: string): Promise<number> {
  for (const [name, bytes] of Object.entries(SMUGGLED)) {
    const statuses = await sendRaw(url, bytes);
    const refused = statuses.every((status) => status >= 400 && status < 500);
    if (!refused || statuses.length > 1)
      faults.set(`smuggling by "${name}" was answered ${statuses.join(', ')}`, '');
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
  say(`seed ${flags.seed}: ${made} requests in ${Math.round(seconds)} s, and ${smuggled} raw ones`);
  for (const [name, statuses] of [...answers].sort(([a], [b]) => a.localeCompare(b))) {
    const by = [...statuses].sort(([a], [b]) => a - b).map(([status, n]) => `${status} ${n}`);
    say(`  ${name}: ${by.join(', ')}`);
  }
  // A route that nothing got into, or that refused nothing, was not tried.
  for (const { method, route } of described.operations) {
    const statuses = [...(answers.get(`${method} ${route}`)?.keys() ?? [])];
    if (made >= MANY && !statuses.some((status) => status < 300))
      faults.set(`${method} ${route} never succeeded`, '');
    if (made >= MANY && !statuses.some((status) => status >= 400))
      faults.set(`${method} ${route} never refused`, '');
  }
  const server = [...answers.values()]
    .flatMap((statuses) => [...statuses.keys()])
    .filter((status) => status >= 500);
  if (unsent > total / 50) faults.set(`${unsent} requests could not be sent`, '');
  say(`${server.length} kinds of 5xx, ${faults.size} faults`);
  for (const [fault, request] of faults) say(`FAULT ${fault}\n  ${request}`);
}
