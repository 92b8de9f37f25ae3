import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { startSandbox, type Sandbox } from '../../apps/sandbox/src/sandbox.js';
import { Caller } from './caller.js';
import { check, type Violation } from '../support/history/checker.js';
import { JournalKeeper, collect, unsettled } from '../support/history/collect.js';
import { Fleet } from './fleet.js';
import type { CallerAnswer, History } from '../support/history/history.js';
import { script, type Link, type ScriptedEvent } from './script.js';
import { SeededRandom } from '../support/drivers/seeded-random.js';
import { startServers, type Servers } from '../support/drivers/servers.js';
import { SANDBOX_LIVES, SETTINGS, envOf } from '../support/drivers/settings.js';
import { LONGEST_DELAY_MS } from '../support/drivers/weather.js';
import { POSTGRES_READY, TcpProxy } from '../support/tcp-proxy.js';

export interface ChaosOptions {
  seed: string;
  /** The run ends after `seconds`, or after `kills` kills if an onboarding has completed by then. */
  kills: number;
  seconds: number;
  /** `callers` run at the same time, and `onboardings` in total. */
  callers: number;
  onboardings: number;
  services: number;
  workers: number;
  say(line: string): void;
  /** Prints each event of the script. Null: nothing is printed. */
  sayEvent: ((line: string) => void) | null;
}

export interface ChaosResult {
  history: History;
  violations: Violation[];
  /** Wrong answers, and processes that ended without being killed. */
  faults: string[];
  kills: Record<string, number>;
  events: Record<string, number>;
  /** How often PostgreSQL's answer to a claim did not reach the process. */
  lostClaims: number;
  seconds: number;
}

/** How long the onboardings may still change: several leases, retry waits and wake-ups. */
const SETTLE_MS = 60_000;
/** The names of the SQL statements that begin an attempt. */
const CLAIM = /gw_(start|claim_|retry)/;
const CALLER_EVERY_MS = 60;

/** One run: servers, proxies, sandbox, replicas and callers, and a script that breaks them. */
export class ChaosRun {
  readonly #options: ChaosOptions;
  readonly #random: SeededRandom;
  readonly #run = `chaos-${Date.now().toString(36)}-`;
  readonly #answers = new Map<string, CallerAnswer[]>();
  readonly #faults: string[] = [];
  readonly #kills: Record<string, number> = {};
  readonly #events: Record<string, number> = {};
  readonly #mending = new Set<Promise<unknown>>();
  #killed = 0;
  #lostClaims = 0;
  #started = 0;
  #over = false;
  #servers!: Servers;
  #sandbox!: Sandbox;
  #links!: Record<Link, TcpProxy>;
  #fleet!: Fleet;

  constructor(options: ChaosOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
  }

  async run(): Promise<ChaosResult> {
    try {
      await this.#begin();
      const startedAt = Date.now();
      const journal = new JournalKeeper(this.#sandbox.control);
      await this.#breakThings(startedAt + this.#options.seconds * 1_000);
      await this.#settle();
      const readAt = Date.now();
      const history = await this.#collect(journal);
      const terms = {
        sessionMarginMs: Number(SETTINGS.SESSION_MARGIN_MS),
        networkDelayMs: LONGEST_DELAY_MS,
        readAt,
      };
      return {
        history,
        violations: check(history, terms),
        faults: this.#faults,
        kills: this.#kills,
        events: this.#events,
        lostClaims: this.#lostClaims,
        seconds: (Date.now() - startedAt) / 1_000,
      };
    } finally {
      await this.end();
    }
  }

  async #begin(): Promise<void> {
    this.#servers = await startServers('chaos');
    this.#sandbox = await startSandbox({
      rpId: SETTINGS.INTEGRATION_BYZANTINE_RP_ID,
      origins: [SETTINGS.INTEGRATION_BYZANTINE_ORIGINS],
      ...SANDBOX_LIVES,
    });
    this.#links = {
      postgres: await TcpProxy.start(this.#servers.postgres.url),
      redis: await TcpProxy.start(this.#servers.redis.url),
      upstream: await TcpProxy.start(this.#sandbox.url),
    };
    this.#fleet = new Fleet({
      random: this.#random.stream('fleet'),
      services: this.#options.services,
      workers: this.#options.workers,
      env: {
        ...(process.env['NODE_COMPILE_CACHE'] && { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] }),
        ...envOf(this.#servers, this.#sandbox),
        DATABASE_URL: this.#links.postgres.url,
        REDIS_URL: this.#links.redis.url,
        INTEGRATION_BYZANTINE_BASE_URL: this.#links.upstream.url,
      },
      onKill: (cause) => this.#count(cause),
      onFault: (detail) => this.#faults.push(detail),
    });
    await this.#fleet.start();
  }

  async #breakThings(until: number): Promise<void> {
    // On a slow machine, all kills may come before the first onboarding has completed.
    const enough = () => this.#killed >= this.#options.kills && this.#hasCompleted();
    const ends = () => this.#over || Date.now() > until || enough();
    const callers = this.#keepCalling();
    const reporting = setInterval(() => this.#report(), 15_000);
    for (const { afterMs, event } of script(this.#random.stream('script'))) {
      await pause(afterMs);
      if (ends()) break;
      this.#events[event.type] = (this.#events[event.type] ?? 0) + 1;
      this.#options.sayEvent?.(JSON.stringify(event));
      this.#do(event);
    }
    this.#over = true;
    this.#fleet.disarm();
    this.#sandbox.control.removeFaults();
    clearInterval(reporting);
    this.#options.say(`  the script has ended after ${this.#killed} kills; some onboardings still change`);
    await Promise.all(this.#mending);
    await callers;
  }

  #hasCompleted(): boolean {
    return [...this.#answers.values()].some((answers) => answers.some(({ state }) => state === 'completed'));
  }

  #do(event: ScriptedEvent): void {
    switch (event.type) {
      case 'kill':
        return this.#fleet.kill(event.kind, event.index);
      case 'term':
        return this.#fleet.term(event.kind, event.index);
      case 'sleep':
        return this.#mend(this.#fleet.sleep(event.kind, event.index, event.forMs));
      case 'kill-server':
        return this.#mend(this.#killServer(event.server, event.forMs));
      case 'flush-redis':
        return this.#mend(this.#servers.flush().catch(() => undefined)); // Redis may be down at this moment
      case 'lose-claim':
        return this.#links.postgres.intercept(CLAIM, ({ loseAnswer }) =>
          loseAnswer(POSTGRES_READY, () => (this.#lostClaims += 1)),
        );
      case 'cut':
        return this.#links[event.link].cut();
      case 'refuse':
        return this.#forAWhile(event.forMs, (on) => this.#links[event.link].refuse(on));
      case 'stall':
        return this.#forAWhile(event.forMs, (on) => this.#links[event.link].stall(on));
      case 'slow':
        return this.#forAWhile(event.forMs, (on) => this.#links[event.link].slow(on ? event.delayMs : 0));
      case 'fault':
        // The sandbox keeps a fault until a call gets it, so more than eight are not useful.
        if (this.#sandbox.control.pendingFaults().length < 8) this.#sandbox.control.addFault(event.fault);
    }
  }

  readonly #dead = new Set<string>();

  async #killServer(name: 'postgres' | 'redis', forMs: number): Promise<void> {
    const server = this.#servers[name];
    if (!server.kill || this.#dead.has(name)) return;
    this.#dead.add(name);
    await server.kill();
    this.#count(name);
    await pause(forMs);
    await server.start();
    this.#links[name].leadTo(server.url);
    this.#dead.delete(name);
  }

  #forAWhile(ms: number, set: (on: boolean) => void): void {
    set(true);
    this.#mend(pause(ms).then(() => set(false)));
  }

  #mend(work: Promise<unknown>): void {
    const mending = work
      .catch((error: Error) => void this.#faults.push(`the harness: ${error.stack}`))
      .finally(() => this.#mending.delete(mending));
    this.#mending.add(mending);
  }

  async #keepCalling(): Promise<void> {
    await Promise.all(
      Array.from({ length: this.#options.callers }, async (_, slot) => {
        await pause(slot * CALLER_EVERY_MS);
        while (!this.#over && this.#started < this.#options.onboardings) {
          await this.#newCaller().run();
        }
      }),
    );
    this.#over = true;
  }

  #newCaller(): Caller {
    this.#started += 1;
    const name = `${this.#run}${this.#started}`;
    const subject = { accountId: randomUUID(), userId: randomUUID(), email: `${name}@example.com` };
    this.#sandbox.control.addSubject(subject);
    return new Caller({
      name,
      subject,
      random: this.#random.stream(`caller/${this.#started}`),
      sandbox: this.#sandbox.control,
      over: () => this.#over,
      line: {
        serviceUrl: (random) => this.#fleet.serviceUrl(random),
        answered: (id, answer) => this.#answers.set(id, [...(this.#answers.get(id) ?? []), answer]),
        fault: (detail) => this.#faults.push(detail),
      },
    });
  }

  async #settle(): Promise<void> {
    await this.#fleet.untilUp();
    for (const until = Date.now() + SETTLE_MS; Date.now() < until; await pause(500)) {
      if ((await unsettled(this.#servers.postgres.url, this.#run)) === 0) return;
    }
  }

  #collect(journal: JournalKeeper): Promise<History> {
    return collect(this.#servers.postgres.url, this.#run, journal.close(), this.#answers);
  }

  #count(cause: string): void {
    this.#kills[cause] = (this.#kills[cause] ?? 0) + 1;
    if (!cause.endsWith('SIGTERM')) this.#killed += 1;
  }

  #report(): void {
    this.#options.say(`  ${this.#killed} kills, ${this.#started} callers, ${this.#faults.length} faults`);
  }

  async end(): Promise<void> {
    this.#over = true;
    await this.#fleet?.stop();
    await Promise.all(Object.values(this.#links ?? {}).map((link) => link.close()));
    await this.#sandbox?.close();
    await this.#servers?.stop();
  }
}
