import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { serversHolder } from '#launcher/lock';
import { CHECKOUT, STATE } from './checkout.js';
import { say } from './console.js';

const FILE = join(STATE, 'running.json');
const DRAIN_MS = 30_000;

/** The values of a running `npm start` that the README's commands need, by their names in the shell. */
export interface Addresses {
  SERVICE: string;
  SANDBOX: string;
  DEMO: string;
  API_KEY: string;
}

/** What `npm start` records about itself. */
interface Running {
  apps: { name: string; pid: number; entry: string }[];
  /** Present once it serves. */
  addresses?: Addresses;
}

/** Records which apps this process has started, and their addresses once they serve. */
export function noteRunning(running: Running): void {
  mkdirSync(STATE, { recursive: true });
  const aside = `${FILE}.${process.pid}`;
  writeFileSync(aside, JSON.stringify(running), { mode: 0o600 });
  renameSync(aside, FILE);
}

export function noteStopped(): void {
  rmSync(FILE, { force: true });
}

/** Where the `npm start` of this folder serves. @returns undefined where none does */
export function addressesOfRunning(): Addresses | undefined {
  return serversHolder(CHECKOUT) && read()?.addresses;
}

/** Stops the apps that a killed start left behind: two workers of different builds must not share a database. */
export async function stopLeftApps(): Promise<void> {
  for (const { name, pid, entry } of read()?.apps ?? []) {
    // The number may belong to another program now: only the command line shows whose process it is.
    if (!commandOf(pid)?.includes(entry)) continue;
    say(`  the ${name} of an earlier start still runs: stopping it`);
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

/** The command line of a live process, or undefined. A bare Linux has no ps, macOS has no /proc. */
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
