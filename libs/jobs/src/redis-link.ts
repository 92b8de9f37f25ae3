import { Logger } from '@nestjs/common';
import type { Redis, RedisOptions } from 'ioredis';
import { BoundedLog } from './bounded-log.js';
import { PacedRedis } from './paced-redis.js';
import { CLOSED, LOADING, NOT_YET, SILENT, SILENT_TO_WRITES, troubleOf } from './redis-trouble.js';
import type { RedisTrouble } from './redis-trouble.js';

const BEAT_MS = 1_000;
/**
 * How many beats may pass without an answer. A process that is too busy to read an answer also misses beats.
 */
const BEATS_WITHOUT_ANSWER = 2;
const CHANGE_LOG_MS = 10_000;

const SHARED: RedisOptions = {
  connectTimeout: 2_000,
  /**
   * ioredis keeps the process alive this long after a socket that never opened. Its default is two seconds.
   */
  disconnectTimeout: 200,
  maxLoadingRetryTime: 1_000,
};

/** Waits a little longer with each try, at most two seconds, to find a restored Redis soon. */
const retryStrategy = (times: number) => Math.min(50 * times, 2_000);

export interface LinkOptions {
  /** The connection's name, as `CLIENT LIST` shows it. */
  name: string;
  /** The prefix of all keys of this installation. */
  prefix: string;
}

/**
 * A connection to Redis that knows whether Redis takes its writes. Once a second it sends a write that
 * changes nothing, and reconnects if no answer comes. Without this, nothing would close the connection if the
 * server hangs or the network drops it, and each command would wait forever. Not for a connection that makes
 * blocking reads.
 *
 * ioredis has `socketTimeout` for this. But the timer of this option outlives its connection: it then cuts
 * the next, healthy connection, or keeps a finished process alive.
 */
export class RedisLink {
  readonly #log: BoundedLog;
  readonly #key: string;
  readonly #listeners: (() => void)[] = [];
  readonly #timer: NodeJS.Timeout;
  #trouble: RedisTrouble | null = NOT_YET;
  #changedAtMs = 0;
  #isTold = true;
  #asking: Promise<void> | undefined;
  /** Beats since the unanswered question. The handshake of a new connection counts as a question. */
  #unanswered: number | undefined;

  /**
   * For requests, which must not be delayed: fails immediately if Redis is away, and soon if it hangs.
   *
   * @param options.commandTimeout a command fails after this many milliseconds.
   */
  static impatient(
    url: string,
    { commandTimeout = 2_000, ...options }: LinkOptions & { commandTimeout?: number },
  ): RedisLink {
    const redis = new PacedRedis(url, {
      ...SHARED,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 0,
      commandTimeout,
      retryStrategy,
      connectionName: options.name,
    });
    return new RedisLink(redis, options);
  }

  /**
   * For BullMQ's workers: waits for Redis without limit. BullMQ itself watches the copies that it makes for
   * blocking reads.
   *
   * @param options.isWanted once false, a lost connection stays closed, and commands that wait for it fail.
   */
  static patient(url: string, { isWanted, ...options }: LinkOptions & { isWanted(): boolean }): RedisLink {
    const redis = new PacedRedis(url, {
      ...SHARED,
      maxRetriesPerRequest: null,
      retryStrategy: (times) => (isWanted() ? retryStrategy(times) : null),
      connectionName: options.name,
    });
    return new RedisLink(redis, options);
  }

  private constructor(
    readonly redis: Redis,
    { name, prefix }: LinkOptions,
  ) {
    this.name = name;
    this.#key = `${prefix}:writable`;
    this.#log = new BoundedLog(new Logger(name), CHANGE_LOG_MS);
    redis.on('connect', () => (this.#unanswered = 0));
    redis.on('ready', () => {
      this.#unanswered = undefined;
      void this.ask();
    });
    redis.on('close', () => {
      this.#unanswered = undefined;
      this.#asking = undefined; // the next connection gets its own question
      if (!this.#trouble) this.#found(CLOSED);
    });
    redis.on('error', (error: Error) => this.#found(troubleOf(error)));
    this.#timer = setInterval(() => this.#beat(), BEAT_MS).unref();
    redis.once('end', () => clearInterval(this.#timer));
  }

  readonly name: string;

  /** Whether Redis would take a write now. */
  get accepts(): boolean {
    return this.#trouble === null && this.isConnected;
  }

  /** Whether a command would reach Redis now. Redis may still refuse it. */
  get isConnected(): boolean {
    return this.redis.status === 'ready';
  }

  /** Why Redis takes no writes now; null while it does. */
  get trouble(): RedisTrouble | null {
    return this.#trouble;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /**
   * Asks now instead of at the next beat. Never rejects. Resolves when the answer comes or the connection
   * ends.
   */
  ask(): Promise<void> {
    if (!this.isConnected) return Promise.resolve();
    this.#asking ??= this.#write().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  disconnect(): void {
    clearInterval(this.#timer);
    this.#listeners.splice(0);
    this.#trouble ??= CLOSED; // set here, it is not logged
    this.redis.disconnect();
  }

  /**
   * The key never exists, so this write changes and replicates nothing. It fails whenever other writes fail.
   */
  async #write(): Promise<void> {
    this.#unanswered ??= 0;
    try {
      await this.redis.set(this.#key, 1, 'PX', 1, 'XX');
      this.#unanswered = undefined;
      this.#found(null);
    } catch (error) {
      // Without an answer, the missed beats still count.
      if ((error as Error).name !== 'ReplyError') return;
      this.#unanswered = undefined;
      this.#found(troubleOf(error as Error));
    }
  }

  #beat(): void {
    if (performance.now() - this.#changedAtMs > CHANGE_LOG_MS) this.#tell();
    // Between connections ioredis has its own timer, which disconnect() would cancel.
    const handshake = this.redis.status === 'connect';
    if (!this.isConnected && !handshake) return;
    if (handshake) void this.#lookForLoading();
    if (this.#unanswered === undefined || ++this.#unanswered < BEATS_WITHOUT_ANSWER) {
      // The answer to a command that timed out is lost: only a new question can show that Redis is there.
      return void this.ask();
    }
    this.#unanswered = undefined;
    this.#found(handshake ? SILENT : SILENT_TO_WRITES);
    this.redis.disconnect(true);
  }

  /** During the handshake, ioredis waits silently until Redis has loaded its data. */
  async #lookForLoading(): Promise<void> {
    const info = await this.redis.info('persistence').catch(() => '');
    if (!/^loading:1/m.test(info)) return;
    this.#unanswered = 0;
    this.#found(LOADING);
  }

  #found(trouble: RedisTrouble | null): void {
    if (trouble?.words === this.#trouble?.words) return;
    // A first connection that works needs no line in the log.
    this.#isTold = this.#trouble === NOT_YET && trouble === null;
    this.#trouble = trouble;
    this.#changedAtMs = performance.now();
    this.#tell();
    this.#listeners.forEach((tell) => tell());
  }

  /** Logs one line per change. If the bounded log omits it and the state lasts, a beat logs it later. */
  #tell(): void {
    if (this.#isTold) return;
    this.#isTold = this.#trouble
      ? this.#log.warn(`Redis ${this.#trouble.words}`)
      : this.#log.log('Redis takes writes again');
  }
}
