import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { CHECKOUT, STATE } from './checkout.js';
import { Plain, say } from './console.js';

const FILE = join(STATE, 'running.json');
const STARTER = join(CHECKOUT, 'dist', 'tools', 'start.js');
const DRAIN_MS = 30_000;

/** What `npm start` writes down about itself, so that the next start knows what it finds. */
interface Running {
  starter: number;
  apps: { name: string; pid: number; entry: string }[];
}

/** Writes down that this process serves, with these apps. */
export function noteRunning(apps: Running['apps']): void {
  mkdirSync(STATE, { recursive: true });
  writeFileSync(FILE, JSON.stringify({ starter: process.pid, apps } satisfies Running));
}

export function noteStopped(): void {
  rmSync(FILE, { force: true });
}

/**
 * Makes sure that nobody else serves from this checkout: two workers of different builds on one database would
 * fight. Apps that a killed start left behind are stopped.
 *
 * @throws Plain if another `npm start` is at work here
 */
export async function ensureAlone(): Promise<void> {
  const found = read();
  if (!found) return;
  if (found.starter !== process.pid && commandOf(found.starter)?.includes(STARTER)) {
    throw new Plain(
      `npm start already runs in this checkout (process ${found.starter}). Stop it there first.`,
    );
  }
  for (const { name, pid, entry } of found.apps) {
    // The number may belong to somebody else by now: only the command line says whose process it is.
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
