import { Global, Module, type DynamicModule } from '@nestjs/common';
import { ConfigModule, registerAs } from '@nestjs/config';
import { LoggerModule } from 'nestjs-pino';
import { CLOCK, RANDOM, systemClock, systemRandom } from '#libs/kernel';
import { CONFIG_NAMESPACE, type Config } from './config.js';
import { Health, HealthController } from './health.js';
import { KeyedHash } from './keyed-hash.js';
import { Metrics, MetricsController } from './metrics.js';
import { loggerOptions } from './logging.js';
import { Sealer } from './sealer.js';

/** What every app stands on: the settings, the clock, the logger and the sealer. */
@Global()
@Module({})
export class PlatformModule {
  static forRoot(config: Config): DynamicModule {
    return {
      module: PlatformModule,
      imports: [
        ConfigModule.forFeature(registerAs(CONFIG_NAMESPACE, () => config)),
        LoggerModule.forRoot(loggerOptions(config)),
      ],
      controllers: [HealthController, MetricsController],
      providers: [
        Health,
        Metrics,
        { provide: CLOCK, useValue: systemClock },
        { provide: RANDOM, useValue: systemRandom },
        { provide: KeyedHash, useFactory: () => new KeyedHash(config.HASH_KEY) },
        { provide: Sealer, useFactory: () => new Sealer(config.SEALING_KEYS) },
      ],
      exports: [ConfigModule, Health, Metrics, CLOCK, RANDOM, KeyedHash, Sealer],
    };
  }
}
