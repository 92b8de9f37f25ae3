import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { SeededRandom } from '../support/drivers/seeded-random.js';

const REPLICA = fileURLToPath(new URL('replica.mjs', import.meta.url));

/** A start takes long on a busy machine while the servers restart after a kill. */
const START_MS = 90_000;

export type Kind = 'onboarding' | 'worker';

/**
 * A process runs a probe only after a lost answer to a claim. Because this is rare, it dies at the first one.
 */
const PROBE_POINTS = { 'before-probe': 1, 'in-probe': 2, 'after-probe': 2 };

const POINTS: Record<Kind, Record<string, number>> = {
  onboarding: {
    'before-claim': 1,
    'in-claim': 2,
    'after-claim': 3,
    ...PROBE_POINTS,
    'before-send': 1,
    'after-send': 4,
    'after-answer': 3,
    'before-settle': 1,
    'in-settle': 3,
    'after-settle': 3,
    'before-reply': 1,
    'in-command': 0.2,
    'after-command': 0.2,
  },
  worker: {
    'before-claim': 1,
    'in-claim': 2,
    'after-claim': 2,
    ...PROBE_POINTS,
    'before-send': 1,
    'after-send': 3,
    'after-answer': 2,
    'before-settle': 2,
    'in-settle': 3,
    'after-settle': 2,
  },
};

interface Replica {
  name: string;
  kind: Kind;
  generation: number;
  child: ChildProcess | null;
  url: string | null;
  paused: boolean;
  /** Why the next exit is expected; null if it is not. */
  expecting: 'kill' | 'term' | null;
}

export interface FleetOptions {
  random: SeededRandom;
  env: Record<string, string>;
  services: number;
  workers: number;
  /** The cause is a signal or a crash point. */
  onKill(cause: string): void;
  /** For a process that ended without being killed, or that did not end after SIGTERM. */
  onFault(detail: string): void;
}

/** The replicas of the service and the worker, which crash by plan and start again. */
export class Fleet {
  readonly #replicas: Replica[];
  readonly #options: FleetOptions;
  #armed = true;
  #failedStarts = 0;
  #lastWords = '';
  #stopping = false;

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#replicas = [
      ...Array.from({ length: options.services }, (_, n) => newReplica('onboarding', n)),
      ...Array.from({ length: options.workers }, (_, n) => newReplica('worker', n)),
    ];
  }

  async start(): Promise<void> {
    for (const replica of this.#replicas) this.#spawn(replica);
    await this.untilUp();
  }

  serviceUrl(random: SeededRandom): string | null {
    const up = this.#replicas.filter(({ kind, url }) => kind === 'onboarding' && url !== null);
    return up.length > 0 ? random.pick(up).url : null;
  }

  urls(): string[] {
    return this.#replicas.flatMap(({ url }) => url ?? []);
  }

  kill(kind: Kind, index: number): void {
    const replica = this.#of(kind, index);
    if (!replica.url || replica.expecting) return;
    replica.expecting = 'kill';
    replica.child!.kill('SIGKILL');
  }

  /** As a rolling restart does. */
  term(kind: Kind, index: number): void {
    const replica = this.#of(kind, index);
    if (!replica.url || replica.expecting || replica.paused) return;
    replica.expecting = 'term';
    replica.url = null;
    replica.child!.send('disarm');
    replica.child!.kill('SIGTERM');
  }

  /** As if the replica's machine slept: its sockets stay open, and its clock continues. */
  async sleep(kind: Kind, index: number, ms: number): Promise<void> {
    const replica = this.#of(kind, index);
    const { child } = replica;
    if (!replica.url || replica.expecting || replica.paused || !child) return;
    replica.paused = true;
    child.kill('SIGSTOP');
    await pause(ms);
    child.kill('SIGCONT');
    replica.paused = false;
  }

  disarm(): void {
    this.#armed = false;
    for (const { child } of this.#replicas) if (child?.connected) child.send('disarm');
  }

  /** @throws Error with the last output of a replica that does not start. */
  async untilUp(): Promise<void> {
    for (
      const until = Date.now() + START_MS;
      this.#replicas.some(({ url }) => url === null);
      await pause(50)
    ) {
      if (Date.now() > until) {
        const missing = this.#replicas.filter(({ url }) => url === null).map(({ name }) => name);
        throw new Error(`${missing.join(', ')} did not start: ${this.#lastWords || 'no output'}`);
      }
    }
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(
      this.#replicas.map(async ({ child }) => {
        if (!child || child.exitCode !== null || child.signalCode !== null) return;
        const gone = once(child, 'exit');
        child.kill('SIGKILL');
        await gone;
      }),
    );
  }

  #of(kind: Kind, index: number): Replica {
    const ofKind = this.#replicas.filter((each) => each.kind === kind);
    return ofKind[index % ofKind.length]!;
  }

  #spawn(replica: Replica): void {
    replica.generation += 1;
    replica.url = null;
    replica.expecting = null;
    const plan = this.#armed ? this.#plan(replica) : null;
    const child = spawn(process.execPath, [REPLICA, replica.kind], {
      env: { ...this.#options.env, CRASH_PLAN: JSON.stringify(plan) },
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    });
    replica.child = child;
    let crashedAt: string | null = null;
    const said: string[] = [];
    for (const stream of [child.stdout!, child.stderr!]) {
      createInterface({ input: stream }).on('line', (line) => {
        const [word, what] = line.split(' ');
        if (word === 'ready') {
          replica.url = what!;
          // This replica may have started after the crash plans were cancelled.
          if (!this.#armed && child.connected) child.send('disarm');
        } else if (word === 'crashed') crashedAt = what!;
        else if (!line.includes('failed with status code 503')) said.push(line.slice(0, 1_000));
      });
    }
    child.on('error', () => undefined); // for example, a message to a dying process fails
    child.once('close', (code, signal) => {
      const wasUp = replica.url !== null || replica.expecting !== null;
      replica.url = null;
      if (this.#stopping) return;
      this.#account(replica, { code, signal, crashedAt, wasUp, said: said.slice(-20).join('\n') });
      // The pause after a failed start prevents a tight loop.
      setTimeout(() => this.#stopping || this.#spawn(replica), wasUp ? 0 : 250);
    });
  }

  #plan({ name, kind, generation }: Replica) {
    const random = this.#options.random.stream(`${name}/${generation}`);
    if (random.chance(0.1)) return null;
    const point = random.weighted(POINTS[kind]);
    const visits = random.int(1, kind === 'worker' ? 5 : 3);
    return {
      point,
      visits: point in PROBE_POINTS ? 1 : visits,
      jitter: random.next(),
    };
  }

  #account(
    { name, kind, expecting }: Replica,
    end: {
      code: number | null;
      signal: string | null;
      crashedAt: string | null;
      wasUp: boolean;
      said: string;
    },
  ): void {
    const { onKill, onFault } = this.#options;
    if (end.signal === 'SIGKILL')
      return onKill(end.crashedAt ? `${kind} ${end.crashedAt}` : `${kind} SIGKILL`);
    if (expecting === 'term' && end.code === 0) return onKill(`${kind} SIGTERM`);
    // The database was down for longer than a process waits for it.
    if (!end.wasUp && end.code === 1 && end.said.includes('did not start')) {
      this.#failedStarts += 1;
      this.#lastWords = end.said;
      if (this.#failedStarts % 20 === 0)
        onFault(`${this.#failedStarts} starts failed, the last one with:\n${end.said}`);
      return;
    }
    onFault(`${name} ended by itself with ${end.code ?? end.signal}:\n${end.said}`);
  }
}

const newReplica = (kind: Kind, n: number): Replica => ({
  name: `${kind}-${n}`,
  kind,
  generation: 0,
  child: null,
  url: null,
  paused: false,
  expecting: null,
});
