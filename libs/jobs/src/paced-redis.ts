import { Redis, type RedisOptions } from 'ioredis';
import { NO_DATABASE, troubleOf } from './redis-trouble.js';

/** The shortest time between two reconnects, for the case that all servers refuse. */
const PACE_MS = 1_000;

/** The pause between two tries to connect to a server that lacks the database of the URL. */
const NO_DATABASE_PAUSE_MS = 2_000;

/**
 * Reconnects if the server refuses a command that another server may accept. Each copy that BullMQ makes for
 * blocking reads has its own pause, so that all can reconnect immediately after a failover.
 */
export class PacedRedis extends Redis {
  #hasDatabase = true;

  constructor(url: string, options: RedisOptions);
  constructor(options: RedisOptions);
  constructor(first: string | RedisOptions, options: RedisOptions = {}) {
    if (typeof first === 'string') super(first, { ...options, reconnectOnError: atAPace() });
    else super({ ...first, reconnectOnError: atAPace() });
    const { retryStrategy } = this.options;
    this.options.retryStrategy = (times) => {
      const pauseMs = retryStrategy?.(times);
      return typeof pauseMs === 'number' && !this.#hasDatabase ? NO_DATABASE_PAUSE_MS : pauseMs;
    };
  }

  /** If the server refuses the database of the URL, ioredis would use database 0 without an error. */
  override select(...args: Parameters<Redis['select']>): ReturnType<Redis['select']> {
    const selected = super.select(...args);
    selected.catch((error: Error) => {
      if (!NO_DATABASE.test(error.message)) return;
      this.#hasDatabase = false;
      this.disconnect(true);
    });
    return selected;
  }

  override duplicate(override?: Partial<RedisOptions>): Redis {
    return new PacedRedis({ ...this.options, ...override });
  }
}

function atAPace(): (error: Error) => boolean {
  let lastMs = -Infinity;
  return (error) => {
    const now = performance.now();
    if (now - lastMs < PACE_MS || !troubleOf(error).elsewhere) return false;
    lastMs = now;
    return true;
  };
}
