import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { Redis } from 'ioredis';
import { CONFIG, ConfigError, type Config } from '#libs/platform';
import { NO_DATABASE } from './redis-trouble.js';

const ANSWER_MS = 2_000;

/** Asks Redis at boot for the database that `REDIS_URL` names. A Redis that is away does not stop the boot. */
@Injectable()
export class RedisDatabase implements OnModuleInit {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  /** @throws ConfigError where Redis answers, and refuses this database. */
  async onModuleInit(): Promise<void> {
    const fault = await findDatabaseFault(this.config.REDIS_URL);
    if (fault !== null) throw new ConfigError([{ variable: 'REDIS_URL', detail: fault }]);
  }
}

async function findDatabaseFault(url: string): Promise<string | null> {
  const server = new URL(url);
  const index = Number(server.pathname.slice(1));
  if (index === 0) return null;
  server.pathname = '';
  const redis = new Redis(server.href, {
    lazyConnect: true,
    enableReadyCheck: false,
    retryStrategy: () => null,
    connectTimeout: ANSWER_MS,
    commandTimeout: ANSWER_MS,
    connectionName: 'gangway-boot',
  });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    await redis.select(index);
    return null;
  } catch (error) {
    // `ready` shows other refusals, such as those of a Redis that loads its data or wants another password.
    return NO_DATABASE.test((error as Error).message) ? refused(index, error as Error) : null;
  } finally {
    redis.disconnect();
  }
}

/** In Redis's own words, which name nothing but the number. */
const refused = (index: number, { message }: Error) =>
  `names database ${index}, and Redis refuses it: ${message.replace(/^ERR /, '')}`;
