import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { CONFIG, Health, type Config } from '#libs/platform';
import { QUEUE_NAMES, QUEUES, type QueueName } from './job-definition.js';
import { impatientRedis } from './redis-connection.js';

/** BullMQ keeps a stream of events per queue; nobody here reads far back in it. */
const EVENTS_KEPT = 1_000;

/** All queues, over one connection that never holds anybody up. */
@Injectable()
export class Queues implements OnApplicationShutdown {
  readonly #logger = new Logger(Queues.name);
  readonly #queues: ReadonlyMap<QueueName, Queue>;
  readonly redis: Redis;

  constructor(@Inject(CONFIG) config: Config, health: Health) {
    this.redis = impatientRedis(config.REDIS_URL);
    this.redis.on('error', (error: Error) => this.#logger.warn(`Redis: ${error.message}`));
    health.register({ name: 'redis', vital: false, check: () => this.#check() });
    this.#queues = new Map(QUEUE_NAMES.map((name) => [name, this.#open(name, config.QUEUE_PREFIX)]));
  }

  get(name: QueueName): Queue {
    const queue = this.#queues.get(name);
    if (!queue) throw new Error(`there is no queue "${name}"`);
    return queue;
  }

  all(): Queue[] {
    return [...this.#queues.values()];
  }

  /** Whether a command sent now would reach Redis. */
  isReady(): boolean {
    return this.redis.status === 'ready';
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.allSettled(this.all().map((queue) => queue.close()));
    this.redis.disconnect();
  }

  /** A Redis that evicts keys would lose jobs in silence. */
  async #check() {
    const [, policy] = (await this.redis.config('GET', 'maxmemory-policy')) as [string, string];
    if (policy === 'noeviction') return { status: 'up' as const };
    return { status: 'down' as const, detail: `maxmemory-policy is ${policy}, and must be noeviction` };
  }

  #open(name: QueueName, prefix: string): Queue {
    const { keepFinished, keepFailed } = QUEUES[name];
    const queue = new Queue(name, {
      prefix,
      connection: this.redis,
      // BullMQ asks for the version once, and a queue whose question was lost would refuse every job for good.
      skipVersionCheck: true,
      streams: { events: { maxLen: EVENTS_KEPT } },
      defaultJobOptions: { attempts: 1, removeOnComplete: keepFinished, removeOnFail: keepFailed },
    });
    queue.on('error', (error) => this.#logger.warn(`queue ${name}: ${error.message}`));
    return queue;
  }
}
