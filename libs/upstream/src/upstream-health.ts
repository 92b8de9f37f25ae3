import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { CONFIG, Health, type Config } from '#libs/platform';
import { Integrations } from './integrations.js';

/** Readiness says how each upstream is doing; none of them is vital, since what fails there is tried again. */
@Injectable()
export class UpstreamHealth implements OnApplicationShutdown {
  constructor(
    private readonly integrations: Integrations,
    @Inject(CONFIG) config: Config,
    health: Health,
  ) {
    for (const { name, provider, skew } of integrations.all()) {
      health.register({
        name: `upstream ${name}`,
        vital: false,
        check: async () => {
          if (provider.state !== 'closed')
            return { status: 'down', detail: `the breaker is ${provider.state}` };
          if (skew.ms < config.CLOCK_SKEW_WARN_MS) return { status: 'up' };
          return { status: 'down', detail: `the clocks are ${Math.round(skew.ms / 1000)} s apart` };
        },
      });
    }
  }

  onApplicationShutdown(): void {
    for (const { provider } of this.integrations.all()) provider.shutdown();
  }
}
