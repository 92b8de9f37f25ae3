import { Global, Inject, Module, type DynamicModule } from '@nestjs/common';
import { ConfigModule, registerAs } from '@nestjs/config';
import { LoggerModule } from 'nestjs-pino';
import { CLOCK, RANDOM, systemClock, systemRandom } from '#libs/kernel';
import { CONFIG_NAMESPACE, type Config, type ConsoleConfig } from './config.js';
import { Health, HealthController } from './health.js';
import { KeyedHash } from './keyed-hash.js';
import { loggerOptions } from './logging.js';
import { APP_ROLE, PROCESS_NAME, processNameOf, type AppRole } from './process-name.js';
import { RequestLog } from './request-log.js';
import { Sealer } from './sealer.js';
import { HttpMetrics } from './signals/metrics-http.js';
import { Metrics, MetricsController, samplesBy } from './signals/metrics.js';
import { Tracing } from './signals/tracing.js';
import { VERSION } from './version.js';

@Global()
@Module({})
export class PlatformModule {
  constructor(health: Health, metrics: Metrics, @Inject(APP_ROLE) role: AppRole) {
    const build = { version: VERSION, role, node_version: process.versions.node };
    metrics.gauge('gangway_build_info', () => [{ labels: build, value: 1 }]);
    metrics.gauge('gangway_check_up', async () => samplesBy('check', await health.gauges()));
  }

  static forRoot(config: Config | ConsoleConfig, role: AppRole = 'service'): DynamicModule {
    // The console has no sealing keys.
    const sealer =
      'SEALING_KEYS' in config
        ? [{ provide: Sealer, useFactory: () => new Sealer(config.SEALING_KEYS) }]
        : [];
    return {
      module: PlatformModule,
      imports: [
        ConfigModule.forFeature(registerAs(CONFIG_NAMESPACE, () => config)),
        LoggerModule.forRoot(loggerOptions(config)),
      ],
      controllers: [HealthController, MetricsController],
      providers: [
        Health,
        HttpMetrics,
        Metrics,
        RequestLog,
        { provide: CLOCK, useValue: systemClock },
        { provide: RANDOM, useValue: systemRandom },
        { provide: APP_ROLE, useValue: role },
        { provide: PROCESS_NAME, useFactory: () => processNameOf(role) },
        {
          provide: Tracing,
          inject: [PROCESS_NAME],
          useFactory: (process: string) => Tracing.open(config, process),
        },
        { provide: KeyedHash, useFactory: () => new KeyedHash(config.HASH_KEY) },
        ...sealer,
      ],
      exports: [
        ConfigModule,
        Health,
        HttpMetrics,
        Metrics,
        RequestLog,
        CLOCK,
        RANDOM,
        PROCESS_NAME,
        KeyedHash,
        Tracing,
        ...sealer,
      ],
    };
  }
}
