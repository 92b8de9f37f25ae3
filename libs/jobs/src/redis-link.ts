import type { Redis, RedisOptions } from 'ioredis';
import { Log } from '#libs/platform';
import { BoundedLog } from './bounded-log.js';
import { PacedRedis } from './paced-redis.js';
import { CLOSED, LOADING, NOT_YET, SILENT, SILENT_TO_WRITES, troubleOf } from './redis-trouble.js';
import type { RedisTrouble } from './redis-trouble.js';

const BEAT_MS = 1_000;
/**
 * After this number of timer ticks without an answer, the connection counts as silent. A busy process reads
 * the answer late, but its ticks come late too.
 */
const BEATS_WITHOUT_ANSWER = 2;
const CHANGE_LOG_MS = 10_000;

const SHARED: RedisOptions = {
  connectTimeout: 2_000,
  /** How long ioredis keeps the process alive after disconnect() if no socket opens. By default 2 s. */
  disconnectTimeout: 200,
  maxLoadingRetryTime: 1_000,
};

/** In ms. It stays short, so that a restored Redis is found soon. */
const retryStrategy = (times: number) => Math.min(50 * times, 2_000);

export interface LinkOptions {
  /** As `CLIENT LIST` shows it. */
  name: string;
  prefix: string;
}

/**
 * A connection that knows whether Redis accepts its writes. It sends a test write once a second, and
 * reconnects if no answer comes, because commands could wait forever. Do not use it for blocking reads.
 *
 * ioredis's `socketTimeout` does not fit: its timer outlives the connection, and cuts the next one.
 */
export class RedisLink {
  readonly #log: BoundedLog;
  readonly #key: string;
  readonly #listeners: (() => void)[] = [];
  readonly #timer: NodeJS.Timeout;
  #trouble: RedisTrouble | null = NOT_YET;
  #changedAtMs = 0;
  #isLogged = true;
  #asking: Promise<void> | undefined;
  /** Timer ticks since the oldest unanswered test write, if there is one. The handshake counts as a write. */
  #unanswered: number | undefined;

  /**
   * For requests: commands fail immediately if Redis is away, and soon if it hangs.
   *
   * @param options.commandTimeout in milliseconds.
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
   * For BullMQ's workers: commands wait for Redis without limit. BullMQ itself watches its copies for
   * blocking reads.
   *
   * @param options.isWanted if false, a lost connection is not opened again, and waiting commands fail.
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
    this.#log = new BoundedLog(new Log('RedisLink'), CHANGE_LOG_MS);
    redis.on('connect', () => (this.#unanswered = 0));
    redis.on('ready', () => {
      this.#unanswered = undefined;
      void this.ask();
    });
    redis.on('close', () => {
      this.#unanswered = undefined;
      this.#asking = undefined; // the next connection sends its own write
      if (!this.#trouble) this.#found(CLOSED);
    });
    redis.on('error', (error: Error) => this.#found(troubleOf(error)));
    this.#timer = setInterval(() => this.#beat(), BEAT_MS).unref();
    redis.once('end', () => clearInterval(this.#timer));
  }

  readonly name: string;

  get accepts(): boolean {
    return this.#trouble === null && this.isConnected;
  }

  /** Whether a command would reach Redis now. Redis may still refuse it. */
  get isConnected(): boolean {
    return this.redis.status === 'ready';
  }

  /** Null if Redis accepts writes. */
  get trouble(): RedisTrouble | null {
    return this.#trouble;
  }

  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Sends a test write. Never rejects. Resolves when Redis has answered or the connection has ended. */
  ask(): Promise<void> {
    if (!this.isConnected) return Promise.resolve();
    this.#asking ??= this.#write().finally(() => (this.#asking = undefined));
    return this.#asking;
  }

  /** Sends all commands of this turn of the event loop in one write. */
  sendTogether(): void {
    const { stream } = this.redis;
    if (!this.isConnected || stream.writableCorked > 0) return;
    stream.cork();
    setImmediate(() => stream.uncork());
  }

  disconnect(): void {
    clearInterval(this.#timer);
    this.#listeners.splice(0);
    this.#trouble ??= CLOSED; // setting the field directly avoids a log line
    this.redis.disconnect();
  }

  /**
   * The write changes only an existing key, but this key never exists, so nothing changes or is replicated.
   */
  async #write(): Promise<void> {
    this.#unanswered ??= 0;
    try {
      await this.redis.set(this.#key, 1, 'PX', 1, 'XX');
      this.#unanswered = undefined;
      this.#found(null);
    } catch (error) {
      // Only an answer ends the count of timer ticks. A refusal is an answer, a timeout is not.
      if ((error as Error).name !== 'ReplyError') return;
      this.#unanswered = undefined;
      this.#found(troubleOf(error as Error));
    }
  }

  #beat(): void {
    if (performance.now() - this.#changedAtMs > CHANGE_LOG_MS) this.#logChange();
    // Between two connections, disconnect() would cancel ioredis's timer for the next connection.
    const handshake = this.redis.status === 'connect';
    if (!this.isConnected && !handshake) return;
    if (handshake) void this.#lookForLoading();
    if (this.#unanswered === undefined || ++this.#unanswered < BEATS_WITHOUT_ANSWER) {
      // ioredis drops the answer to a timed-out command, so only another write can show that Redis answers.
      return void this.ask();
    }
    this.#unanswered = undefined;
    this.#found(handshake ? SILENT : SILENT_TO_WRITES);
    this.redis.disconnect(true);
  }

  /** While Redis loads its data, ioredis waits in the handshake and reports nothing. */
  async #lookForLoading(): Promise<void> {
    const info = await this.redis.info('persistence').catch(() => '');
    if (!/^loading:1/m.test(info)) return;
    this.#unanswered = 0;
    this.#found(LOADING);
  }

  #found(trouble: RedisTrouble | null): void {
    if (trouble?.words === this.#trouble?.words) return;
    // Nothing is logged if the first connection works.
    this.#isLogged = this.#trouble === NOT_YET && trouble === null;
    this.#trouble = trouble;
    this.#changedAtMs = performance.now();
    this.#logChange();
    this.#listeners.forEach((listener) => listener());
  }

  /** If the bounded log leaves out a line, a later timer tick logs the state. */
  #logChange(): void {
    if (this.#isLogged) return;
    this.#isLogged = this.#trouble
      ? this.#log.warn({ redis: this.name }, `Redis ${this.#trouble.words}`)
      : this.#log.info({ redis: this.name }, 'Redis takes writes again');
  }
}
