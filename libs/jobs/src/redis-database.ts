import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { Redis } from 'ioredis';
import { CONFIG, ConfigError, type Config } from '#libs/platform';
import { NO_DATABASE } from './redis-trouble.js';

const ANSWER_MS = 2_000;

/** Checks at boot that Redis has the database of `REDIS_URL`. */
@Injectable()
export class RedisDatabase implements OnModuleInit {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  /** @throws ConfigError if Redis refuses this database. */
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
    // Other refusals do not stop the boot, e.g. while Redis loads its data. The readiness check reports them.
    return NO_DATABASE.test((error as Error).message) ? refused(index, error as Error) : null;
  } finally {
    redis.disconnect();
  }
}

/** Redis's message may be shown, because it repeats only the number of the database. */
const refused = (index: number, { message }: Error) =>
  `names database ${index}, and Redis refuses it: ${message.replace(/^ERR /, '')}`;
