import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import type { AddressInfo, Server } from 'node:net';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { CHECKOUT, STATE } from './checkout.js';
import { Plain } from './console.js';
import { INHERITED_PORTS, type InheritedPort } from './inherited-ports.js';
import { letGo, type HeldPort } from './ports.js';

/** After this time, the starter kills an app. An app may take up to 25 s to drain. */
const STOP_MS = 30_000;
const LAST_LINES = 15;

/** An app in a child process. Its output goes to .gangway/logs. */
export interface AppProcess {
  readonly name: string;
  readonly pid: number;
  readonly log: string;
  /** Resolves to the exit code or the signal. */
  readonly ended: Promise<string>;
  /** Waits until a GET of the URL answers 2xx. @throws Plain if the app dies or takes too long. */
  ready(url: string, withinMs: number): Promise<void>;
  /** Asks the app to drain, and waits until it has ended. */
  stop(): Promise<void>;
  lastWords(): string;
}

/** All apps are compiled, except the demo, which is plain JavaScript. */
export const entryOf = (app: string): string =>
  join(CHECKOUT, app === 'demo' ? 'apps' : 'dist/apps', app, 'src', 'main.js');

const PRELOADED = join(CHECKOUT, 'dist', 'tools', 'inherited-ports.js');
/** After standard input, output and error. */
const FIRST_FD = 3;

/** Node.js has no public property for the file descriptor of a socket. */
function descriptorOf(socket: Server): number {
  const { _handle: handle } = socket as unknown as { _handle: { fd: number } };
  return handle.fd;
}

/**
 * Starts an app, which inherits the open socket of its port.
 *
 * @param app a folder of apps/
 * @param env the whole environment of the process
 */
export function startApp(app: string, env: NodeJS.ProcessEnv, held: HeldPort): AppProcess {
  const log = join(STATE, 'logs', `${app}.log`);
  mkdirSync(join(STATE, 'logs'), { recursive: true });
  const output = openSync(log, 'w');
  const inherited = held.sockets.map((socket, index): InheritedPort => {
    const { address, port } = socket.address() as AddressInfo;
    return { address, port, fd: FIRST_FD + index };
  });
  // Ctrl-C must reach only the starter, which stops the apps in order. So each app has its own process group.
  const child = spawn(process.execPath, ['--enable-source-maps', '--import', PRELOADED, entryOf(app)], {
    cwd: CHECKOUT,
    detached: true,
    env: { ...env, [INHERITED_PORTS]: JSON.stringify(inherited) },
    stdio: ['ignore', output, output, ...held.sockets.map(descriptorOf)],
  });
  closeSync(output);
  void letGo(held);
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `code ${code}`));
  });
  const lastWords = () => readFileSync(log, 'utf8').trimEnd().split('\n').slice(-LAST_LINES).join('\n');
  return {
    name: app,
    pid: child.pid ?? -1,
    log,
    ended,
    lastWords,
    ready: (url, withinMs) => untilReady(app, url, withinMs, ended, lastWords),
    stop: () => stopChild(child, ended),
  };
}

async function untilReady(
  app: string,
  url: string,
  withinMs: number,
  ended: Promise<string>,
  lastWords: () => string,
): Promise<void> {
  let how: string | undefined;
  void ended.then((end) => (how = end));
  let answer = 'no answer yet';
  for (const endAt = Date.now() + withinMs; Date.now() < endAt; await wait(50)) {
    if (how !== undefined) throw new Plain(`The ${app} ended with ${how}. Its last lines:\n${lastWords()}`);
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
    if (response?.ok) return void (await response.body?.cancel());
    if (response) answer = `${response.status} ${(await response.text()).slice(0, 300)}`;
  }
  throw new Plain(
    `The ${app} was not ready within ${withinMs / 1_000} s: GET ${url}: ${answer}. ` +
      `Its last lines:\n${lastWords()}`,
  );
}

async function stopChild(child: ChildProcess, ended: Promise<string>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  await ended;
  clearTimeout(timer);
}
