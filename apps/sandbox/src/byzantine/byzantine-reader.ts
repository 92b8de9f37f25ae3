import type { FastifyRequest } from 'fastify';
import type { Arrival, UpstreamReader } from '../control/upstream-reader.js';
import type { SandboxClock } from '../sandbox-clock.js';
import type { IntegratorKey } from './integrator-keys.js';
import { checkSignature } from './request-signature.js';

/** Takes all requests that do not belong to another upstream. */
export class ByzantineReader implements UpstreamReader {
  constructor(
    private readonly keys: ReadonlyMap<string, IntegratorKey>,
    private readonly clock: SandboxClock,
  ) {}

  owns(): boolean {
    return true;
  }

  read({ method, url, headers }: FastifyRequest, rawBody: Buffer): Arrival {
    const request = { method, pathAndQuery: url, headers, rawBody };
    const verdict = checkSignature(request, this.keys, this.clock.headerNowMs());
    const { pubkey, timestampSkewMs, signatureOk } = verdict;
    return { ids: idsOf(rawBody), headers: { pubkey, timestampSkewMs, signatureOk }, verdict, stamped: null };
  }

  scriptedError(status: number): object {
    return { error: 'scripted fault', status };
  }
}

function idsOf(rawBody: Buffer): Arrival['ids'] {
  let body: Record<string, unknown> | null;
  try {
    body = JSON.parse(rawBody.toString()) as typeof body;
  } catch {
    body = null;
  }
  const text = (name: string) => {
    const value = body?.[name];
    return typeof value === 'string' ? value.toLowerCase() : null;
  };
  return { userId: text('userId'), accountId: text('accountId'), otpId: text('otpId') };
}
