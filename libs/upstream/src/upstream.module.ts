import { HttpModule } from '@nestjs/axios';
import { Logger, Module } from '@nestjs/common';
import { CLOCK, type Clock } from '#libs/kernel';
import { CONFIG, type Config, type IntegrationConfig } from '#libs/platform';
import { openSigner } from '#libs/signing';
import { ByzantineProvider } from './byzantine/byzantine.provider.js';
import { ClockSkew, type SkewLimits } from './clock-skew.js';
import { ClockWatch } from './clock-watch.js';
import { GuardedProvider } from './guarded-provider.js';
import { UpstreamHttpClient } from './http-client.js';
import { Integrations } from './integrations.js';
import { SigningKeys } from './signing-keys.js';
import { UpstreamHealth } from './upstream-health.js';
import { AuthProxyProvider } from './turnkey/auth-proxy.provider.js';
import { TurnkeyProvider, type TurnkeyParts } from './turnkey/turnkey.provider.js';
import type { UpstreamProvider } from './upstream-provider.js';

/** Builds one provider per configured integration. */
@Module({
  imports: [HttpModule],
  providers: [
    ClockWatch,
    UpstreamHealth,
    UpstreamHttpClient,
    {
      provide: Integrations,
      inject: [CONFIG, UpstreamHttpClient, CLOCK],
      useFactory: async (config: Config, http: UpstreamHttpClient, clock: Clock) =>
        new Integrations(
          await Promise.all(
            config.INTEGRATIONS.map(async (integration) => {
              const skew = new ClockSkew(clock, skewLimits(integration, config));
              const { name } = integration;
              const keys = await openKeys(integration, config);
              const provider = providerOf(integration, keys, { http, clock, skew });
              return {
                name,
                provider: new GuardedProvider(provider, config, clock),
                config: integration,
                skew,
                keys,
              };
            }),
          ),
        ),
    },
  ],
  exports: [Integrations],
})
export class UpstreamModule {}

/** @throws Error naming the variable of a bad key, or of a second key that is the first. */
async function openKeys(integration: IntegrationConfig, config: Config): Promise<SigningKeys | null> {
  if (!('keys' in integration)) return null;
  const { name } = integration;
  const signers = await Promise.all(integration.keys.map(openSigner));
  if (signers[1] && signers[1].publicKeyCompressedHex === signers[0]!.publicKeyCompressedHex) {
    throw new Error(`${integration.keys[1]!.source} is the same key as ${integration.keys[0].source}`);
  }
  const logger = new Logger(SigningKeys.name);
  return new SigningKeys(signers, {
    signatureTimeoutMs: config.CLAIM_MAX_AGE_MS,
    changed: ({ from, to }) =>
      logger.warn(`${name} refuses the key ${from} and takes the key ${to}, which is used first from now on`),
  });
}

/** Only Byzantine limits a signature to a minute. For other providers, a clock distance is shown and stops nothing. */
const skewLimits = ({ provider }: IntegrationConfig, config: Config): SkewLimits => ({
  warnMs: config.CLOCK_SKEW_WARN_MS,
  stopMs: provider === 'byzantine' ? config.CLOCK_SKEW_STOP_MS : Infinity,
});

function providerOf(
  integration: IntegrationConfig,
  keys: SigningKeys | null,
  parts: TurnkeyParts,
): UpstreamProvider {
  switch (integration.provider) {
    case 'byzantine':
      return new ByzantineProvider(integration, keys!, parts.http, parts.clock, parts.skew);
    case 'turnkey':
      return new TurnkeyProvider(integration, keys!, parts);
    case 'turnkey-auth-proxy':
      return new AuthProxyProvider(integration, parts);
  }
}
