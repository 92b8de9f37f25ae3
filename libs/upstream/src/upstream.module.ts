import { HttpModule } from '@nestjs/axios';
import { Module } from '@nestjs/common';
import { CLOCK, type Clock } from '#libs/kernel';
import { CONFIG, type Config, type IntegrationConfig } from '#libs/platform';
import { KeyRing, SigningModule } from '#libs/signing';
import { ByzantineProvider } from './byzantine/byzantine.provider.js';
import { ClockSkew } from './clock-skew.js';
import { GuardedProvider } from './guarded-provider.js';
import { UpstreamHttpClient } from './http-client.js';
import { Integrations } from './integrations.js';
import { UpstreamHealth } from './upstream-health.js';
import { AuthProxyProvider } from './turnkey/auth-proxy.provider.js';
import { TurnkeyProvider } from './turnkey/turnkey.provider.js';
import type { UpstreamProvider } from './upstream-provider.js';

/** Builds one provider per configured integration. */
@Module({
  imports: [
    HttpModule,
    SigningModule.forRootAsync({
      inject: [CONFIG],
      useFactory: (config: Config) => ({
        engine: config.SIGNING_ENGINE,
        keys: config.INTEGRATIONS.flatMap((integration) =>
          'privateKey' in integration
            ? [
                {
                  name: integration.name,
                  material: integration.privateKey,
                  source: integration.privateKeySource,
                },
              ]
            : [],
        ),
      }),
    }),
  ],
  providers: [
    UpstreamHealth,
    UpstreamHttpClient,
    {
      provide: Integrations,
      inject: [CONFIG, KeyRing, UpstreamHttpClient, CLOCK],
      useFactory: (config: Config, keys: KeyRing, http: UpstreamHttpClient, clock: Clock) =>
        new Integrations(
          config.INTEGRATIONS.map((integration) => {
            const skew = new ClockSkew();
            const { name } = integration;
            const provider = providerOf(integration, { config, keys, http, clock, skew });
            return {
              name,
              provider: new GuardedProvider(provider, config, clock),
              config: integration,
              skew,
            };
          }),
        ),
    },
  ],
  exports: [Integrations],
})
export class UpstreamModule {}

interface Parts {
  config: Config;
  keys: KeyRing;
  http: UpstreamHttpClient;
  clock: Clock;
  skew: ClockSkew;
}

function providerOf(
  integration: IntegrationConfig,
  { config, keys, http, clock, skew }: Parts,
): UpstreamProvider {
  const engine = config.SIGNING_ENGINE;
  switch (integration.provider) {
    case 'byzantine': {
      const key = keys.key(integration.name);
      return new ByzantineProvider(integration, key, http, clock, skew, config.CLOCK_SKEW_STOP_MS);
    }
    case 'turnkey':
      return new TurnkeyProvider(integration, keys.key(integration.name), { http, clock, skew, engine });
    case 'turnkey-auth-proxy':
      return new AuthProxyProvider(integration, { http, clock, skew, engine });
  }
}
