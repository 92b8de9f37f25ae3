import { execFileSync } from 'node:child_process';
import { lookup } from 'node:dns/promises';
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { COMMANDS } from '#launcher/commands';
import { flagsOrExit } from '#launcher/flags';
import { migrate } from '#libs/database';
import { entryOf, startApp, type AppProcess } from './app-process.js';
import { CHECKOUT, STATE } from './checkout.js';
import { Plain, runTool, say, step } from './console.js';
import { loadDevSecrets } from './dev-secrets.js';
import { developmentEnv, type DevelopmentEnv } from './development-env.js';
import { hasOnboarding } from './own-database.js';
import { holdPort, letGo, portFromEnv, type HeldPort } from './ports.js';
import { noteRunning, noteStopped, stopLeftApps } from './running.js';
import { devServersFolder, givenServers, startServers } from './servers.js';
import { walkOnboarding, type Walked } from './walk-onboarding.js';

/** Long, because a machine may be busy. If an app exits, the start fails immediately. */
const READY_MS = 120_000;

/** Starts everything, completes one onboarding as a self check, and serves until Ctrl-C. */
async function main(): Promise<void> {
  const flags = flagsOrExit(COMMANDS.start, process.argv.slice(2));
  const interrupted = interruption();
  // Called in reverse order, because the apps need the servers to drain.
  const cleanups: (() => Promise<void>)[] = [];
  try {
    await serve(flags, cleanups, interrupted);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    if (!error.served) process.exitCode = 130;
  } finally {
    if (cleanups.length > 0) say('\nStopping …');
    for (const cleanup of cleanups.reverse()) await cleanup();
    if (cleanups.length > 0) say('Stopped. The data stays; npm run reset deletes it.');
  }
}

/** The user pressed Ctrl-C, or a supervisor sent a signal. */
class Interrupted extends Error {
  served = false;
}

async function serve(
  flags: { once: boolean; integration: string },
  cleanups: (() => Promise<void>)[],
  interrupted: Promise<never>,
): Promise<void> {
  await stopLeftApps();
  const secrets = loadDevSecrets();
  const servers = await startServers({
    folder: devServersFolder(),
    password: secrets.databasePassword,
    given: givenServers(),
  });
  cleanups.push(servers.stop);

  const held = {
    service: await holdPort('the service', portFromEnv('PORT', 3000)),
    worker: await holdPort('the worker', portFromEnv('WORKER_PORT', 3001)),
    sandbox: await holdPort('the sandbox', portFromEnv('SANDBOX_PORT', 4000)),
    demo: await holdPort('the demo', portFromEnv('DEMO_PORT', 3100), await addressesOfLocalhost()),
    console: await holdPort('the console', portFromEnv('CONSOLE_PORT', 3400)),
  };
  cleanups.push(async () => void (await Promise.all(Object.values(held).map(letGo))));
  const ports = {
    service: held.service.port,
    worker: held.worker.port,
    sandbox: held.sandbox.port,
    demo: held.demo.port,
    console: held.console.port,
  };
  const development = developmentEnv(secrets, servers, ports, process.env, flags.integration);
  const apps: AppProcess[] = [];
  const start = (app: string, port: HeldPort, env = development.env): AppProcess => {
    const started = startApp(app, env, port);
    apps.push(started);
    noteRunning({ apps: notesOf(apps) });
    return started;
  };
  cleanups.push(async () => {
    await Promise.all(apps.map((app) => app.stop()));
    noteStopped();
  });

  // In client custody, a device encrypts the code and signs. The demo's page does neither.
  const withDemo = development.custody !== 'client';
  const names = withDemo
    ? 'sandbox, service, worker, console and demo'
    : 'sandbox, service, worker and console';
  await step(`Starting ${names}`, async () => {
    const sandbox = start('sandbox', held.sandbox);
    await migrate(process.env['MIGRATION_DATABASE_URL'] || servers.databaseUrl);
    const service = start('onboarding', held.service);
    const worker = start('worker', held.worker);
    const console = start('console', held.console, development.consoleEnv);
    const ready = Promise.all([
      sandbox.ready(`${development.sandboxUrl}/v1/health`, READY_MS),
      service.ready(`${development.serviceUrl}/health/ready`, READY_MS),
      worker.ready(`${development.workerUrl}/health/ready`, READY_MS),
      console.ready(`http://127.0.0.1:${ports.console}/health/ready`, READY_MS),
      withDemo && start('demo', held.demo, development.demoEnv).ready(development.demoUrl, READY_MS),
    ]);
    await Promise.race([ready, interrupted]);
  });
  const died = Promise.race(
    apps.map(async (app) => {
      const how = await app.ended;
      throw new Plain(`The ${app.name} ended with ${how}. Its last lines (${app.log}):\n${app.lastWords()}`);
    }),
  );
  // An app that ends during the stop would cause an unhandled rejection.
  died.catch(() => undefined);

  let walked: Walked | null = null;
  if (development.custody === 'client') {
    // Only the user's device has the key, so this process cannot complete the steps.
    if (flags.once)
      throw new Plain('--once cannot act as the user’s device: unset CUSTODY of the integration.');
    say('\nNo self check: in client custody a user’s device makes the key (docs/explanation/custody.md).\n');
  } else {
    const walk = walkOnboarding({
      ...development,
      integration: flags.integration,
      print: say,
      isOurs: (id) => hasOnboarding(servers.databaseUrl, id),
    });
    say('\nSelf check: one onboarding through all three steps');
    walked = await Promise.race([walk, died, interrupted]);
    say('✓ completed\n');
  }
  if (flags.once) return;
  const { serviceUrl, sandboxUrl, demoUrl, consoleUrl, apiKey } = development;
  const addresses = {
    SERVICE: serviceUrl,
    SANDBOX: sandboxUrl,
    DEMO: demoUrl,
    CONSOLE: consoleUrl,
    API_KEY: apiKey,
  };
  const { databaseUrl, redisUrl } = servers;
  const serving = { addresses, servers: { databaseUrl, redisUrl }, ports, integration: flags.integration };
  noteRunning({ apps: notesOf(apps), serving });
  printAddresses(development, walked, flags.integration);
  await Promise.race([died, interrupted]).catch((error: unknown) => {
    if (error instanceof Interrupted) error.served = true;
    throw error;
  });
}

const notesOf = (apps: AppProcess[]) => apps.map(({ name, pid }) => ({ name, pid, entry: entryOf(name) }));

/** Browsers try each address of `localhost`. */
async function addressesOfLocalhost(): Promise<string[]> {
  return (await lookup('localhost', { all: true })).map(({ address }) => address);
}

/**
 * Rejects at a signal. Does not interrupt the start of a server, because only a started server can be
 * stopped.
 */
function interruption(): Promise<never> {
  const asked = new Promise<never>((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => reject(new Interrupted()));
  });
  asked.catch(() => undefined);
  return asked;
}

function printAddresses(development: DevelopmentEnv, walked: Walked | null, integration: string): void {
  const { serviceUrl, sandboxUrl, demoUrl, apiKey, custody } = development;
  const demo = `Demo           ${demoUrl}   (open it in a browser; docs/integrate.md explains its code)`;
  say(
    [
      ...(custody === 'client' ? [] : [demo]),
      `Service        ${serviceUrl}`,
      `  docs         ${serviceUrl}/docs`,
      `Worker         ${development.workerUrl}/health/ready`,
      `Console        ${loginLink(development.consoleEnv)}   (valid once, for 15 minutes)`,
      `Sandbox        ${sandboxUrl}`,
      `  page         ${sandboxUrl}/_sandbox/   (mailbox, journal, faults)`,
      `API key        ${apiKey}`,
      `Logs           ${shown(join(STATE, 'logs'))}`,
      `Data           ${whereDataLies()}`,
      '',
      'For the commands of README.md and docs/tutorial.md, in another terminal in this folder:',
      '  eval "$(npm run -s gangway -- env)"',
      '',
      ...(walked ? byHand(development, walked, integration) : []),
      'Serving. Ctrl-C stops everything that this started.',
    ].join('\n'),
  );
}

function loginLink(env: NodeJS.ProcessEnv): string {
  const words = ['console', 'link', '--name', userInfo().username, '--role', 'admin'];
  return execFileSync(process.execPath, [entryOf('cli'), ...words], {
    cwd: CHECKOUT,
    env,
    encoding: 'utf8',
  }).trim();
}

/** Relative to the checkout, as users type it. */
const shown = (path: string): string => path.replace(`${CHECKOUT}/`, '');

function whereDataLies(): string {
  const { databaseUrl, redisUrl } = givenServers();
  const given = [databaseUrl && 'DATABASE_URL', redisUrl && 'REDIS_URL'].filter(Boolean).join(' and ');
  const embedded = `${shown(devServersFolder())}   (kept until npm run reset)`;
  if (databaseUrl && redisUrl) return `on the servers that ${given} name`;
  return given ? `${embedded}, and on the server that ${given} names` : embedded;
}

function byHand(
  { serviceUrl, sandboxUrl, apiKey }: DevelopmentEnv,
  { subject, email }: Walked,
  integration: string,
): string[] {
  const post = (path: string, body: string) =>
    `curl -s -X POST ${serviceUrl}${path} -H 'Authorization: Bearer ${apiKey}' ` +
    `-H 'Content-Type: application/json' -d '${body}'`;
  return [
    'Continue by hand (copy the id of the first answer and the code of the second one into the third):',
    `  ${post('/v1/onboardings', JSON.stringify({ integration, subject }))}`,
    `  curl -s '${sandboxUrl}/_sandbox/mailbox?email=${encodeURIComponent(email)}'`,
    `  ${post('/v1/onboardings/<id>/otp/verify', '{"code":"<code>"}')}`,
    '',
  ];
}

await runTool(main);
