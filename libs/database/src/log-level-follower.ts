import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { CLOCK, type Clock } from '#libs/kernel';
import { Log, changeLogLevels, type LogLevel } from '#libs/platform';
import { DEFAULT_MODULE, LogLevels } from './log-levels.js';

/** The longest time until a process applies a changed log level. */
const READ_EVERY_MS = 2_500;

interface Followed {
  level: LogLevel;
  /** On the monotonic clock. */
  untilMs: number;
}

/** While PostgreSQL is away, known levels stay until they expire. */
@Injectable()
export class LogLevelFollower implements OnApplicationBootstrap, OnApplicationShutdown {
  readonly #logger = new Log('LogLevels');
  #timer: NodeJS.Timeout | undefined;
  #known = new Map<string, Followed>();
  #applied = '';
  /** Only one read runs, so that an older answer cannot replace a newer one. */
  #reading: Promise<void> | null = null;
  #hasStopped = false;

  constructor(
    private readonly levels: LogLevels,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  onApplicationBootstrap(): void {
    this.#timer = setInterval(() => void this.follow(), READ_EVERY_MS).unref();
    void this.follow();
  }

  onApplicationShutdown(): void {
    this.#hasStopped = true;
    clearInterval(this.#timer);
    this.#known.clear();
    this.#apply();
  }

  /** Never rejects. */
  follow(): Promise<void> {
    if (this.#hasStopped) return Promise.resolve();
    if (this.#reading) this.#apply();
    this.#reading ??= this.#read().finally(() => (this.#reading = null));
    return this.#reading;
  }

  async #read(): Promise<void> {
    const askedAtMs = this.clock.monotonicMs();
    try {
      const changed = await this.levels.list();
      if (this.#hasStopped) return;
      this.#known = new Map(
        changed.map(({ module, level, leftMs }) => [module, { level, untilMs: askedAtMs + leftMs }]),
      );
    } catch {
      // Operators need the known levels during an outage.
    }
    this.#apply();
  }

  #apply(): void {
    const now = this.clock.monotonicMs();
    const live = [...this.#known].filter(([, { untilMs }]) => untilMs > now);
    const levels = Object.fromEntries(live.map(([module, { level }]) => [module, level]));
    const serialized = JSON.stringify(levels);
    if (serialized === this.#applied) return;
    const { [DEFAULT_MODULE]: ofOthers = null, ...ofModules } = levels;
    // Until a level is changed, the logger stays as it is.
    if (this.#applied !== '' || live.length > 0) {
      changeLogLevels({ ofModules: new Map(Object.entries(ofModules)), ofOthers });
      this.#logger.info(
        { levels },
        live.length > 0 ? 'log levels are changed' : 'log levels are as configured',
      );
    }
    this.#applied = serialized;
  }
}
