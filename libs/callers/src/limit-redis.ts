import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { RedisLink } from '#libs/jobs';
import { CONFIG, type Config } from '#libs/platform';

/** A request waits for Redis for so long, and then goes on by what this process has counted. */
const COMMAND_TIMEOUT_MS = 150;

/** The connection of the limits. BullMQ's own would be patient for longer than a request may be held up. */
@Injectable()
export class LimitRedis implements OnApplicationShutdown {
  readonly link: RedisLink;

  constructor(@Inject(CONFIG) config: Config) {
    this.link = RedisLink.impatient(config.REDIS_URL, {
      name: 'gangway-limits',
      prefix: config.QUEUE_PREFIX,
      commandTimeout: COMMAND_TIMEOUT_MS,
    });
  }

  onApplicationShutdown(): void {
    this.link.disconnect();
  }
}
