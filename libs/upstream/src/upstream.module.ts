import { HttpModule } from '@nestjs/axios';
import { Module } from '@nestjs/common';
import { CLOCK, type Clock } from '#libs/kernel';
import { CONFIG, type Config } from '#libs/platform';
import { KeyRing, SigningModule } from '#libs/signing';
import { ByzantineProvider } from './byzantine/byzantine.provider.js';
import { UpstreamHttpClient } from './http-client.js';
import { Integrations } from './integrations.js';

/** Builds one provider per configured integration. */
@Module({
  imports: [
    HttpModule,
    SigningModule.forRootAsync({
      inject: [CONFIG],
      useFactory: (config: Config) => ({
        engine: config.SIGNING_ENGINE,
        keys: config.INTEGRATIONS.map((integration) => ({
          name: integration.name,
          material: integration.privateKey,
          source: integration.privateKeySource,
        })),
      }),
    }),
  ],
  providers: [
    UpstreamHttpClient,
    {
      provide: Integrations,
      inject: [CONFIG, KeyRing, UpstreamHttpClient, CLOCK],
      useFactory: (config: Config, keys: KeyRing, http: UpstreamHttpClient, clock: Clock) =>
        new Integrations(
          config.INTEGRATIONS.map((integration) => ({
            name: integration.name,
            provider: new ByzantineProvider(integration, keys.key(integration.name), http, clock),
            config: integration,
          })),
        ),
    },
  ],
  exports: [Integrations],
})
export class UpstreamModule {}
