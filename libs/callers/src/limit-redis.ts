import { Inject, Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import type { Redis } from 'ioredis';
import { impatientRedis } from '#libs/jobs';
import { CONFIG, type Config } from '#libs/platform';

/** A request waits for Redis for so long, and then goes on by what this process has counted. */
const COMMAND_TIMEOUT_MS = 150;

/** The connection of the limits. BullMQ's own would be patient for longer than a request may be held up. */
@Injectable()
export class LimitRedis implements OnApplicationShutdown {
  readonly client: Redis;

  constructor(@Inject(CONFIG) config: Config) {
    this.client = impatientRedis(config.REDIS_URL, {
      connectionName: 'gangway-limits',
      commandTimeout: COMMAND_TIMEOUT_MS,
    });
    const logger = new Logger(LimitRedis.name);
    this.client.on('error', (error: Error) => logger.warn(`Redis: ${error.message}`));
  }

  onApplicationShutdown(): void {
    this.client.disconnect();
  }
}
