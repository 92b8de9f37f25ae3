import { isIP } from 'node:net';
import { connect } from 'node:tls';
import { systemClock } from '#libs/kernel';
import type { Config, IntegrationConfig } from '#libs/platform';
import { openSigner, type RequestSigner } from '#libs/signing';
import { findProvider } from './providers.js';
import { UpstreamError, type FailureClass } from './port/upstream-error.js';
import { redacted } from './refusal-text.js';
import { ClockSkew } from './transport/clock-skew.js';
import { UpstreamHttpClient, type HttpAnswer } from './transport/http-client.js';
import { SigningKeys, fingerprintOf } from './transport/signing-keys.js';

/** A certificate that expires within this time counts as a fault. */
const CERTIFICATE_LEFT_MS = 7 * 86_400_000;

/** The result of a probe with one key. A provider without keys has one finding. */
export interface ContractFinding {
  integration: string;
  provider: string;
  ok: boolean;
  /** The fingerprint of the key that signed. */
  key: string | null;
  reachable: boolean;
  /** Null if the answer does not show whether the provider accepted the key. */
  keyAccepted: boolean | null;
  status: number | null;
  class: 'ok' | 'key_unusable' | FailureClass;
  detail: string | null;
  latencyMs: number;
  /** The clocks differ by at least this time. Null if the answer has no usable `Date`. */
  clockApartMs: number | null;
  /** A refusal's text without personal data, if the service does not know the text. */
  unknownText: string | null;
  /** `validUntil`: ISO 8601, or null if the server sent no certificate. */
  certificates: { address: string; validUntil: string | null }[];
}

/**
 * Sends a probe to each integration with each of its keys, so that an operator can test a second key before
 * the service uses it. Probes change nothing. A key that cannot be opened is a finding too.
 */
export async function checkContracts(
  config: Config,
  integrations: readonly IntegrationConfig[],
): Promise<ContractFinding[]> {
  const findings: ContractFinding[] = [];
  for (const integration of integrations) {
    const certificates = await certificatesOf(integration, config.CONNECT_TIMEOUT_MS);
    const sources = integration.keys.length > 0 ? integration.keys : [null];
    for (const source of sources) {
      let signer: RequestSigner | null = null;
      try {
        signer = source && (await openSigner(source));
      } catch (error) {
        findings.push({ ...unusable(integration, error as Error), certificates });
        continue;
      }
      try {
        const keys = signer && new SigningKeys([signer]);
        const found = await probe(config, integration, keys);
        const endsSoon = certificates.some(
          ({ validUntil }) =>
            validUntil !== null && Date.parse(validUntil) - Date.now() < CERTIFICATE_LEFT_MS,
        );
        findings.push({
          ...found,
          key: signer && fingerprintOf(signer),
          ok: found.ok && !endsSoon,
          detail:
            found.detail ?? (endsSoon ? 'a TLS certificate has expired, or expires within a week' : null),
          certificates,
        });
      } finally {
        signer?.close?.();
      }
    }
  }
  return findings;
}

const unusable = ({ name, provider }: IntegrationConfig, error: Error) => ({
  integration: name,
  provider,
  ok: false,
  key: null,
  reachable: false,
  keyAccepted: null,
  status: null,
  class: 'key_unusable' as const,
  detail: error.message,
  latencyMs: 0,
  clockApartMs: null,
  unknownText: null,
});

async function probe(config: Config, integration: IntegrationConfig, keys: SigningKeys | null) {
  // The configuration accepts only known kinds of provider.
  const definition = findProvider(integration.provider)!;
  const http = new WatchedClient(config, systemClock);
  const skew = new ClockSkew(systemClock, {
    warnMs: config.CLOCK_SKEW_WARN_MS,
    stopMs: definition.limitsSignatureAge ? config.CLOCK_SKEW_STOP_MS : Infinity,
  });
  const provider = definition.create(integration, { http, clock: systemClock, skew, ...(keys && { keys }) });
  const startedAt = performance.now();
  let error: UpstreamError | null = null;
  try {
    await provider.probe({ timeoutMs: config.CALL_TIMEOUT_MS, beforeSend: () => undefined });
  } catch (thrown) {
    if (!(thrown instanceof UpstreamError)) throw thrown;
    error = thrown;
  } finally {
    await http.onApplicationShutdown();
  }
  const latencyMs = Math.round(performance.now() - startedAt);
  const { answer } = http;
  const clockApartMs = answer?.headers['date'] === undefined ? null : Math.round(skew.lastMs());
  const clocksDiffer = (clockApartMs ?? 0) >= config.CLOCK_SKEW_WARN_MS;
  return {
    integration: integration.name,
    provider: integration.provider,
    ok: error === null && !clocksDiffer,
    reachable: answer !== null,
    keyAccepted: keys && answer ? acceptedBy(answer) : null,
    status: answer?.status ?? null,
    class: error?.failure ?? ('ok' as const),
    detail: error?.message ?? (clocksDiffer ? 'our clock and the provider’s differ' : null),
    latencyMs,
    clockApartMs,
    unknownText: error?.unknownText ? redacted(error.unknownText.text.reveal()) : null,
  };
}

/** Keeps the last answer, because an error contains only a part of it. */
class WatchedClient extends UpstreamHttpClient {
  answer: HttpAnswer | null = null;

  override async send(...request: Parameters<UpstreamHttpClient['send']>): Promise<HttpAnswer> {
    this.answer = await super.send(...request);
    return this.answer;
  }
}

function acceptedBy({ status }: HttpAnswer): boolean | null {
  if (status >= 200 && status <= 299) return true;
  return status === 401 || status === 403 ? false : null;
}

async function certificatesOf(integration: IntegrationConfig, timeoutMs: number) {
  const texts = Object.values(integration).filter((value) => typeof value === 'string');
  const addresses = [...new Set(texts.filter((text) => text.startsWith('https://')))];
  return Promise.all(
    addresses.map(async (address) => ({ address, validUntil: await certificateEnd(address, timeoutMs) })),
  );
}

/** Null if the server shows no certificate in time. */
function certificateEnd(address: string, timeoutMs: number): Promise<string | null> {
  const { hostname, port } = new URL(address);
  const host = hostname.replace(/^\[(.*)\]$/, '$1');
  return new Promise((resolve) => {
    // Accepts any certificate, to show the expiry of an untrusted one too. No data is sent.
    const socket = connect(
      {
        host,
        port: Number(port || 443),
        rejectUnauthorized: false,
        // RFC 6066 §3 allows no IP address as a server name.
        ...(isIP(host) === 0 && { servername: host }),
      },
      () => end(new Date(socket.getPeerCertificate().valid_to)),
    );
    const end = (until: Date | null) => {
      socket.destroy();
      resolve(until && !Number.isNaN(until.getTime()) ? until.toISOString() : null);
    };
    socket.setTimeout(timeoutMs, () => end(null));
    socket.on('error', () => end(null));
  });
}
