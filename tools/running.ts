import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { serversHolder } from '#launcher/lock';
import { CHECKOUT, STATE } from './checkout.js';
import { say } from './console.js';
import type { Ports } from './development-env.js';
import type { Servers } from './servers.js';

const FILE = join(STATE, 'running.json');
const DRAIN_MS = 30_000;

/** Shell variables in the README's commands. */
export interface Addresses {
  SERVICE: string;
  SANDBOX: string;
  DEMO: string;
  CONSOLE: string;
  API_KEY: string;
}

export interface Serving {
  addresses: Addresses;
  servers: Pick<Servers, 'databaseUrl' | 'redisUrl'>;
  ports: Ports;
  integration: string;
}

/** The file in which `npm start` describes itself. */
interface Running {
  apps: { name: string; pid: number; entry: string }[];
  /** Missing until `npm start` serves. */
  serving?: Serving;
}

/** Records the apps that have started, and, as soon as they serve, how to reach them. */
export function noteRunning(running: Running): void {
  mkdirSync(STATE, { recursive: true });
  const aside = `${FILE}.${process.pid}`;
  writeFileSync(aside, JSON.stringify(running), { mode: 0o600 });
  renameSync(aside, FILE);
}

export function noteStopped(): void {
  rmSync(FILE, { force: true });
}

/** @returns undefined if no `npm start` serves in this folder */
export function servingHere(): Serving | undefined {
  return serversHolder(CHECKOUT) && read()?.serving;
}

/** Stops apps of a killed `npm start`, because workers of different builds must not share a database. */
export async function stopLeftApps(): Promise<void> {
  for (const { name, pid, entry } of read()?.apps ?? []) {
    // Another program may have this process id now.
    if (!commandOf(pid)?.includes(entry)) continue;
    say(`  the ${name} of an earlier start is still running: stopping it`);
    process.kill(pid, 'SIGTERM');
    const drainedBy = Date.now() + DRAIN_MS;
    while (commandOf(pid)?.includes(entry)) {
      if (Date.now() > drainedBy) process.kill(pid, 'SIGKILL');
      await wait(50);
    }
  }
  noteStopped();
}

function read(): Running | undefined {
  try {
    return JSON.parse(readFileSync(FILE, 'utf8')) as Running;
  } catch {
    return undefined;
  }
}

/** @returns the command line of a live process. macOS has no /proc, and a minimal Linux has no ps. */
function commandOf(pid: number): string | undefined {
  try {
    if (existsSync('/proc/self')) return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    return (
      execFileSync('ps', ['-ww', '-o', 'args=', '-p', String(pid)], { encoding: 'utf8' }).trim() || undefined
    );
  } catch {
    return undefined;
  }
}
