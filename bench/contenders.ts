import { execFileSync, spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CHECKOUT } from '../tools/checkout.js';
import { findPgBouncer, freePort, makeDatabase, startPgBouncer, type Servers } from './servers.js';
import { ORIGIN, RP_ID } from './walk.js';

export interface Surroundings {
  servers: Servers;
  upstreamUrl: string;
  /** Puts a proxy between the service and this database, and returns the proxy's URL. */
  between?: (databaseUrl: string) => Promise<string>;
  nodeArgs?: string[];
  env?: Record<string, string>;
}

export interface Running {
  url: string;
  token: string;
  service: number;
  /** Ids of the service's other processes, such as its worker. */
  beside: number[];
  worker?: number;
  /** How many milliseconds each process of Gangway took to be ready. */
  readyMs?: { service: number; worker: number };
  databaseUrl: string;
  stop(): Promise<void>;
}

export interface Contender {
  name: ContenderName;
  title: string;
  start(surroundings: Surroundings): Promise<Running>;
}

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const PRIVATE_KEY_PEM = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
const PRIVATE_KEY_HEX = Buffer.from(privateKey.export({ format: 'jwk' }).d!, 'base64url').toString('hex');
/** As in the container image. */
const IMAGE_ARGS = ['--max-semi-space-size=16'];
const NO_LIMIT = '1000000'; // the highest value that the setting allows

const TITLES = {
  relay: 'bare relay, no persistence',
  'crash-safe': 'relay, crash-safe (claim, call, settle)',
  usual: 'the usual Nest way (repositories, a BullMQ job per call)',
  dbos: 'DBOS Transact',
  gangway: 'Gangway',
  pooled: 'Gangway through PgBouncer',
} as const;
export type ContenderName = keyof typeof TITLES;

const STARTS: Record<ContenderName, Contender['start']> = {
  relay: (surroundings) => startReference('relay', surroundings),
  'crash-safe': (surroundings) => startReference('crash-safe', surroundings),
  usual: (surroundings) => startReference('usual-nest', surroundings),
  dbos: (surroundings) => startReference('dbos', surroundings),
  gangway: (surroundings) => startGangway('gangway', surroundings),
  pooled: startPooled,
};

export function contenders(): Contender[] {
  return (Object.keys(TITLES) as ContenderName[])
    .filter((name) => name !== 'pooled' || findPgBouncer())
    .map((name) => ({ name, title: TITLES[name], start: STARTS[name] }));
}

/** Gangway gets the variables of OpenTelemetry too, so that a run can measure traces. */
const ofTracing = Object.fromEntries(
  Object.entries(process.env).flatMap(([name, value = '']) =>
    name.startsWith('OTEL_') ? [[name, value]] : [],
  ),
);

const children = new Set<ChildProcess>();
export const killContenders = () => children.forEach((child) => child.kill('SIGKILL'));
process.once('exit', killContenders);

async function startReference(file: string, { servers, upstreamUrl, between, nodeArgs }: Surroundings) {
  const database = await makeDatabase(servers, `bench_${file.replace('-', '_')}`);
  const port = await freePort();
  const env = {
    NODE_ENV: 'production',
    PORT: String(port),
    UPSTREAM_URL: upstreamUrl,
    DATABASE_URL: between ? await between(database) : database,
    REDIS_URL: servers.redisUrl,
    PRIVATE_KEY_PEM,
  };
  const hooks = ['--import', fileURLToPath(new URL('load.mjs', import.meta.url))];
  const script = fileURLToPath(new URL(`references/${file}.ts`, import.meta.url));
  const child = launch([...(nodeArgs ?? []), ...hooks, script], env, true);
  const url = `http://127.0.0.1:${port}`;
  await untilReady(child, url);
  const stop = () => stopped(child);
  return { url, token: 'unused', service: child.pid!, beside: [], databaseUrl: database, stop };
}

/** As in production, but with a high limit per caller, because all load comes from one caller. */
async function startGangway(
  name: string,
  { servers, upstreamUrl, between, nodeArgs, env: wanted }: Surroundings,
  more: Record<string, string> = {},
): Promise<Running> {
  const database = await makeDatabase(servers, `bench_${name}`);
  const [port, workerPort] = [await freePort(), await freePort()];
  const env = {
    NODE_ENV: 'production',
    LOG_LEVEL: 'info',
    PORT: String(port),
    WORKER_PORT: String(workerPort),
    DATABASE_URL: database,
    REDIS_URL: servers.redisUrl,
    QUEUE_PREFIX: `{bench-${name}}`,
    SEALING_KEYS: `k1:${randomBytes(32).toString('base64')}`,
    HASH_KEY: randomBytes(32).toString('base64'),
    INTEGRATIONS: 'byzantine',
    INTEGRATION_BYZANTINE_PROVIDER: 'byzantine',
    INTEGRATION_BYZANTINE_BASE_URL: upstreamUrl,
    INTEGRATION_BYZANTINE_PRIVATE_KEY: PRIVATE_KEY_HEX,
    INTEGRATION_BYZANTINE_RP_ID: RP_ID,
    INTEGRATION_BYZANTINE_RP_NAME: 'Bench',
    INTEGRATION_BYZANTINE_ORIGINS: ORIGIN,
    RATE_LIMIT_CALLER_PER_MINUTE: NO_LIMIT,
    // Allow late calls: a busy machine would otherwise cause retries, which the bench does not measure.
    CLAIM_MAX_AGE_MS: '9000',
    DRAIN_NOTICE_MS: '0',
    ...ofTracing,
    ...wanted,
  };
  const run = (script: string, ...args: string[]) =>
    execFileSync(process.execPath, [`${CHECKOUT}/dist/${script}`, ...args], {
      env: { ...process.env, ...env },
      encoding: 'utf8',
    });
  run('tools/migrate.js');
  const scopes = 'onboardings:read,onboardings:write,operations:read';
  const made = run(
    'apps/cli/src/main.js',
    'keys',
    'create',
    '--caller',
    'bench',
    '--scopes',
    scopes,
    '--json',
  );
  const { token } = JSON.parse(made) as { token: string };

  const databaseUrl = between ? await between(database) : database;
  const service = launch(
    [...IMAGE_ARGS, ...(nodeArgs ?? []), `${CHECKOUT}/dist/apps/onboarding/src/main.js`],
    {
      ...env,
      DATABASE_URL: databaseUrl,
      ...more,
    },
  );
  const url = `http://127.0.0.1:${port}`;
  const serviceMs = await untilReady(service, url);
  const worker = launch([...IMAGE_ARGS, `${CHECKOUT}/dist/apps/worker/src/main.js`], env);
  const workerMs = await untilReady(worker, `http://127.0.0.1:${workerPort}`);
  const stop = async () => void (await Promise.all([stopped(service), stopped(worker)]));
  return {
    url,
    token,
    service: service.pid!,
    beside: [worker.pid!],
    worker: worker.pid!,
    readyMs: { service: serviceMs, worker: workerMs },
    databaseUrl: database,
    stop,
  };
}

async function startPooled(surroundings: Surroundings): Promise<Running> {
  const program = findPgBouncer()!;
  let pooler: Awaited<ReturnType<typeof startPgBouncer>>;
  const between = async (databaseUrl: string) => {
    pooler = await startPgBouncer(program, databaseUrl);
    // Count the messages between the service and the pooler, not between the pooler and PostgreSQL.
    return surroundings.between ? surroundings.between(pooler.url) : pooler.url;
  };
  const more = { DATABASE_POOLER: 'transaction' };
  const running = await startGangway('pooled', { ...surroundings, between }, more);
  const stop = async () => {
    await running.stop();
    await pooler.stop();
  };
  return { ...running, beside: [...running.beside, pooler!.pid], stop };
}

/** The process ends with this process. A reference server also ends when its IPC channel closes. */
function launch(args: string[], env: Record<string, string>, channel = false): ChildProcess {
  const stdio: StdioOptions = ['ignore', 'ignore', 'pipe', ...(channel ? (['ipc'] as const) : [])];
  const PATH = process.env['PATH'] ?? '';
  const child = spawn(process.execPath, args, { env: { PATH, ...env }, stdio });
  children.add(child);
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    lastWords.set(child, `${lastWords.get(child) ?? ''}${text}`.slice(-4_000));
  });
  child.once('exit', () => children.delete(child));
  return child;
}
const lastWords = new WeakMap<ChildProcess, string>();

/** @returns milliseconds */
async function untilReady(child: ChildProcess, url: string): Promise<number> {
  const beganAt = performance.now();
  for (const until = Date.now() + 120_000; Date.now() < until; await wait(20)) {
    if (child.exitCode !== null || child.signalCode !== null) break;
    // A reference server answers 404, so any answer except 503 means that the contender is ready.
    const answer = await fetch(`${url}/health/ready`).catch(() => undefined);
    if (answer && answer.status !== 503) return Math.round(performance.now() - beganAt);
  }
  throw new Error(`${child.spawnargs.at(-1)} did not start:\n${lastWords.get(child) ?? ''}`);
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGCONT');
  child.kill('SIGTERM');
  const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await gone;
  clearTimeout(late);
}
