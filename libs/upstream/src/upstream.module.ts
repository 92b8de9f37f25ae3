import { HttpModule } from '@nestjs/axios';
import { Logger, Module } from '@nestjs/common';
import { CLOCK, type Clock } from '#libs/kernel';
import { CONFIG, type Config, type IntegrationConfig, type KeySource } from '#libs/platform';
import { KeyRing, SigningModule, type KeyEntry } from '#libs/signing';
import { ByzantineProvider } from './byzantine/byzantine.provider.js';
import { ClockSkew, type SkewLimits } from './clock-skew.js';
import { ClockWatch } from './clock-watch.js';
import { GuardedProvider } from './guarded-provider.js';
import { UpstreamHttpClient } from './http-client.js';
import { Integrations } from './integrations.js';
import { SigningKeys } from './signing-keys.js';
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
          'keys' in integration ? integration.keys.map((key, n) => keyEntry(integration.name, n, key)) : [],
        ),
      }),
    }),
  ],
  providers: [
    ClockWatch,
    UpstreamHealth,
    UpstreamHttpClient,
    {
      provide: Integrations,
      inject: [CONFIG, KeyRing, UpstreamHttpClient, CLOCK],
      useFactory: (config: Config, keys: KeyRing, http: UpstreamHttpClient, clock: Clock) =>
        new Integrations(
          config.INTEGRATIONS.map((integration) => {
            const skew = new ClockSkew(clock, skewLimits(integration, config));
            const { name } = integration;
            const own = signingKeysOf(integration, keys, config);
            const provider = providerOf(integration, own, { config, http, clock, skew });
            return {
              name,
              provider: new GuardedProvider(provider, config, clock),
              config: integration,
              skew,
              keys: own,
            };
          }),
        ),
    },
  ],
  exports: [Integrations],
})
export class UpstreamModule {}

/** In the ring, the keys of an integration stand under its name and their rank. */
const keyName = (integration: string, index: number) => `${integration} ${index + 1}`;

function keyEntry(integration: string, index: number, key: KeySource): KeyEntry {
  const { source } = key;
  const name = keyName(integration, index);
  return 'kms' in key ? { name, kms: key.kms, source } : { name, material: key.privateKey, source };
}

/** @throws Error naming the variable of a second key that is the first. */
function signingKeysOf(integration: IntegrationConfig, ring: KeyRing, config: Config): SigningKeys | null {
  if (!('keys' in integration)) return null;
  const { name } = integration;
  const signers = integration.keys.map((_, index) => ring.key(keyName(name, index)));
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

interface Parts {
  config: Config;
  http: UpstreamHttpClient;
  clock: Clock;
  skew: ClockSkew;
}

function providerOf(
  integration: IntegrationConfig,
  keys: SigningKeys | null,
  { config, http, clock, skew }: Parts,
): UpstreamProvider {
  const engine = config.SIGNING_ENGINE;
  switch (integration.provider) {
    case 'byzantine':
      return new ByzantineProvider(integration, keys!, http, clock, skew);
    case 'turnkey':
      return new TurnkeyProvider(integration, keys!, { http, clock, skew, engine });
    case 'turnkey-auth-proxy':
      return new AuthProxyProvider(integration, { http, clock, skew, engine });
  }
}
