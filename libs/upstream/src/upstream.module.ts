import { Module } from '@nestjs/common';
import { CLOCK, type Clock } from '#libs/kernel';
import { CONFIG, Log, type Config, type IntegrationConfig } from '#libs/platform';
import { openSigner } from '#libs/signing';
import { ClockSkew } from './transport/clock-skew.js';
import { ClockWatch } from './clock-watch.js';
import { GuardedProvider } from './guarded-provider.js';
import { UpstreamHttpClient } from './transport/http-client.js';
import { Integrations, type Integration } from './integrations.js';
import { findProvider } from './providers.js';
import { SigningKeys } from './transport/signing-keys.js';
import { UpstreamHealth } from './upstream-health.js';

@Module({
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
            config.INTEGRATIONS.map((integration) => connect(integration, { config, http, clock })),
          ),
        ),
    },
  ],
  exports: [Integrations],
})
export class UpstreamModule {}

interface Parts {
  config: Config;
  http: UpstreamHttpClient;
  clock: Clock;
}

async function connect(integration: IntegrationConfig, { config, http, clock }: Parts): Promise<Integration> {
  // The configuration accepts only known kinds of provider.
  const definition = findProvider(integration.provider)!;
  const keys = await openKeys(integration, config);
  const skew = new ClockSkew(clock, {
    warnMs: config.CLOCK_SKEW_WARN_MS,
    stopMs: definition.limitsSignatureAge ? config.CLOCK_SKEW_STOP_MS : Infinity,
  });
  const provider = definition.create(integration, { http, clock, skew, ...(keys && { keys }) });
  return {
    name: integration.name,
    provider: new GuardedProvider(provider, config, clock),
    config: integration,
    skew,
    keys,
  };
}

async function openKeys({ name, keys }: IntegrationConfig, config: Config): Promise<SigningKeys | null> {
  if (keys.length === 0) return null;
  const signers = await Promise.all(keys.map(openSigner));
  if (signers[1] && signers[1].publicKeyCompressedHex === signers[0]!.publicKeyCompressedHex) {
    throw new Error(`${keys[1]!.source} is the same key as ${keys[0]!.source}`);
  }
  const logger = new Log('SigningKeys');
  return new SigningKeys(signers, {
    signatureTimeoutMs: config.CLAIM_MAX_AGE_MS,
    changed: ({ from, to }) =>
      logger.warn(
        { integration: name, keyFrom: from, keyTo: to },
        `${name} refuses the key ${from} and accepts the key ${to}: ${to} now signs first`,
      ),
  });
}
