import { setTimeout as pause } from 'node:timers/promises';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { CONFIG, Health, Log, Metrics, type Config, type Finding } from '#libs/platform';
import { BoundedLog } from './bounded-log.js';
import { QUEUE_NAMES, QUEUES, type QueueName } from './job-definition.js';
import { RedisLink } from './redis-link.js';
import { troubleOf } from './redis-trouble.js';

/** BullMQ keeps this number of events per queue. */
const EVENTS_KEPT = 1_000;
/** After this time without an answer, the check `redis` reports Redis as down. */
const ANSWER_MS = 1_000;

/** The queues share a connection that fails fast, so that no request is delayed. */
@Injectable()
export class Queues implements OnApplicationShutdown {
  readonly #log = new BoundedLog(new Log('Queues'));
  readonly #queues: ReadonlyMap<QueueName, Queue>;
  readonly #links: RedisLink[] = [];
  readonly link: RedisLink;

  constructor(@Inject(CONFIG) config: Config, health: Health, metrics: Metrics) {
    this.link = RedisLink.impatient(config.REDIS_URL, {
      name: 'gangway-producer',
      prefix: config.QUEUE_PREFIX,
    });
    this.watch(this.link);
    health.register({ name: 'redis', vital: false, check: () => this.#check() });
    metrics.gauge('gangway_redis_writable', () =>
      this.#links.map((link) => ({ labels: { connection: link.name }, value: Number(link.accepts) })),
    );
    this.#queues = new Map(QUEUE_NAMES.map((name) => [name, this.#open(name, config.QUEUE_PREFIX)]));
  }

  get redis(): Redis {
    return this.link.redis;
  }

  get(name: QueueName): Queue {
    const queue = this.#queues.get(name);
    if (!queue) throw new Error(`there is no queue "${name}"`);
    return queue;
  }

  all(): Queue[] {
    return [...this.#queues.values()];
  }

  isReady(): boolean {
    return this.link.accepts;
  }

  /** Adds a connection that the check `redis` tests. */
  watch(link: RedisLink): void {
    this.#links.push(link);
  }

  /** Runs a check that reads from Redis. Without an answer, the check is down. */
  async unlessAway(check: () => Promise<Finding>): Promise<Finding> {
    if (!this.link.isConnected)
      return { status: 'down', detail: 'the state is not known, because Redis is away' };
    try {
      return await check();
    } catch (error) {
      return {
        status: 'down',
        detail: `the state is not known, because Redis ${troubleOf(error as Error).words}`,
      };
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.allSettled(this.all().map((queue) => queue.close()));
    this.link.disconnect();
  }

  /** Checks that Redis accepts writes on each connection, and evicts no keys, because a job would be lost. */
  async #check(): Promise<Finding> {
    const answered = Promise.all(this.#links.map((link) => link.ask()));
    const late = Symbol('late');
    const found = await Promise.race([answered, pause(ANSWER_MS, late, { ref: false })]);
    const trouble = this.#links.find((link) => !link.accepts)?.trouble;
    if (trouble) return { status: 'down', detail: `Redis ${trouble.words}` };
    if (found === late)
      return { status: 'down', detail: `Redis has not answered for ${ANSWER_MS / 1_000} s` };
    const policy = await this.#policy();
    if (policy === undefined || policy === 'noeviction') return { status: 'up' };
    return { status: 'down', detail: `maxmemory-policy is ${policy}, and must be noeviction` };
  }

  /**
   * Reads INFO, because a managed Redis often forbids CONFIG.
   *
   * @returns undefined if Redis forbids INFO too.
   */
  async #policy(): Promise<string | undefined> {
    const info = await this.redis.info('memory').catch((error: Error) => {
      if (/NOPERM|unknown command/.test(error.message)) return '';
      throw error;
    });
    return /^maxmemory_policy:(\S+)/m.exec(info)?.[1];
  }

  #open(name: QueueName, prefix: string): Queue {
    const { keepFinished, keepFailed } = QUEUES[name];
    const queue = new Queue(name, {
      prefix,
      connection: this.redis,
      // BullMQ asks for Redis's version only once. Without an answer, the queue would never accept a job.
      skipVersionCheck: true,
      streams: { events: { maxLen: EVENTS_KEPT } },
      defaultJobOptions: { attempts: 1, removeOnComplete: keepFinished, removeOnFail: keepFailed },
    });
    // `RedisLink` logs an error that Redis causes.
    queue.on(
      'error',
      (error) => this.link.accepts && this.#log.warn({ queue: name }, `queue ${name}: ${error.message}`),
    );
    return queue;
  }
}
