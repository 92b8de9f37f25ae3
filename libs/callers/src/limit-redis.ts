import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { RedisLink } from '#libs/jobs';
import { CONFIG, type Config } from '#libs/platform';

/** After this time, the process uses its own count. */
const COMMAND_TIMEOUT_MS = 150;

/** BullMQ's connection would wait longer than a request may. */
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
