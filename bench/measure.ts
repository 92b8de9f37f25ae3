import { readFileSync, readdirSync } from 'node:fs';
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Load, Loaded, Said } from './generator.js';
import type { Running } from './contenders.js';
import type { Servers } from './servers.js';
import type { CallName } from './walk.js';

/** CPU time is per onboarding, in milliseconds; null if the operating system does not report it. */
export interface Sample {
  perSecond: number;
  /** Percentiles, in milliseconds, of the three calls that reach the provider. */
  p50: number;
  p99: number;
  byCall: Record<CallName, { p50: number; p99: number }>;
  cpu: { service: number; beside: number; postgres: number; redis: number } | null;
  rssMb: number | null;
}

const TICK_MS = 10; // Linux reports CPU in hundredths of a second, with any kernel clock.

interface Cpu {
  ms: number;
  /** The kernel's part of `ms`. */
  systemMs: number;
  parent: number;
}

/** The CPU time in milliseconds of a process and its ended children. */
function cpuOf(pid: number): Cpu {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text
    .slice(text.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
  const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields.slice(11, 15);
  return {
    ms: (user + system + endedUser + endedSystem) * TICK_MS,
    systemMs: (system + endedSystem) * TICK_MS,
    parent: fields[1]!,
  };
}

const cpuOfFamily = (pid: number) => family(pid).reduce((sum, { ms }) => sum + ms, 0);

function family(pid: number): (Cpu & { pid: number })[] {
  const found = [{ pid, ...cpuOf(pid) }];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const cpu = cpuOf(Number(name));
      if (cpu.parent === pid) found.push({ pid: Number(name), ...cpu });
    } catch {
      // The process has ended since `readdirSync`.
    }
  }
  return found;
}

/**
 * CPU time by process title, such as `walwriter`; `backends` serve clients. Empty if the operating system
 * does not report CPU time.
 */
export function postgresCpu(postmaster: number): Map<string, Pick<Cpu, 'ms' | 'systemMs'>> {
  const sums = new Map<string, Pick<Cpu, 'ms' | 'systemMs'>>();
  if (process.platform !== 'linux') return sums;
  for (const { pid, ms, systemMs } of family(postmaster)) {
    const title = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    // The title of a backend contains its client's address.
    const own = /^postgres: (?!.*\d\(\d+\))([a-z ]+?)(?: launcher| worker|$| {2,})/.exec(
      title.trimEnd(),
    )?.[1];
    const kind = pid === postmaster ? 'postmaster and ended processes' : (own ?? 'backends');
    const before = sums.get(kind) ?? { ms: 0, systemMs: 0 };
    sums.set(kind, { ms: before.ms + ms, systemMs: before.systemMs + systemMs });
  }
  return sums;
}

function cpuNow({ service, beside }: Running, { postgresPid, redisPid }: Servers) {
  if (process.platform !== 'linux') return null;
  return {
    service: cpuOf(service).ms,
    beside: beside.reduce((sum, pid) => sum + cpuOf(pid).ms, 0),
    postgres: cpuOfFamily(postgresPid),
    redis: cpuOf(redisPid).ms,
  };
}

/** In MiB; null if the operating system does not report it. */
export function rssMb(pid: number): number | null {
  if (process.platform !== 'linux') return null;
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1_024;
}

export const forkHelper = (file: string): ChildProcess => {
  const execArgv = ['--import', fileURLToPath(new URL('load.mjs', import.meta.url))];
  return fork(fileURLToPath(new URL(file, import.meta.url)), [], { execArgv });
};

export async function takeSample(
  generator: ChildProcess,
  running: Running,
  servers: Servers,
  load: Omit<Load, 'url' | 'token'>,
): Promise<Sample> {
  let before: ReturnType<typeof cpuNow> = null;
  let after: ReturnType<typeof cpuNow> = null;
  generator.send({ url: running.url, token: running.token, ...load } satisfies Load);
  let loaded: Loaded | undefined;
  while (!loaded) {
    const [said] = (await once(generator, 'message')) as [Said];
    if (said === 'begin') before = cpuNow(running, servers);
    else if (said === 'end') after = cpuNow(running, servers);
    else if ('failed' in said) throw new Error(said.failed);
    else ({ loaded } = said);
  }
  const { onboardings, seconds, latencies } = loaded;
  const { start, verify, authenticators } = latencies;
  const upstream = [...start, ...verify, ...authenticators].sort((a, b) => a - b);
  const each = (name: keyof NonNullable<typeof before>) => (after![name] - before![name]) / onboardings;
  return {
    perSecond: onboardings / seconds,
    ...percentiles(upstream),
    byCall: {
      start: percentiles(start),
      verify: percentiles(verify),
      options: percentiles(latencies.options),
      authenticators: percentiles(authenticators),
    },
    cpu: before && {
      service: each('service'),
      beside: each('beside'),
      postgres: each('postgres'),
      redis: each('redis'),
    },
    rssMb: rssMb(running.service),
  };
}

function percentiles(sorted: number[]) {
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
  return { p50: at(0.5), p99: at(0.99) };
}

/** Pauses a contender between its turns, because its timers must not disturb the others. */
export function pause({ service, beside }: Running, signal: 'SIGSTOP' | 'SIGCONT'): void {
  for (const pid of [service, ...beside]) process.kill(pid, signal);
}
