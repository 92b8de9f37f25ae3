import { TLSSocket } from 'node:tls';
import type { buildConnector } from 'undici';
import type { Clock } from '#libs/kernel';

/** After this time, a server may have a new certificate that this process has not seen. */
const FORGET_AFTER_MS = 86_400_000;

/** When the servers' certificates end, as seen in this process's TLS connections. */
export class CertificateEnds {
  readonly #seen = new Map<string, { endsMs: number; atMs: number }>();

  constructor(private readonly clock: Clock) {}

  /**
   * @returns Unix time in milliseconds. Undefined if no TLS connection to the origin opened in the last day.
   */
  endsMs(origin: string): number | undefined {
    const seen = this.#seen.get(origin);
    return seen && this.clock.monotonicMs() - seen.atMs < FORGET_AFTER_MS ? seen.endsMs : undefined;
  }

  watch(origin: string, connect: buildConnector.connector): buildConnector.connector {
    return (options, callback) =>
      connect(options, (...result) => {
        const [, socket] = result;
        if (socket instanceof TLSSocket) this.#note(origin, socket);
        callback(...result);
      });
  }

  #note(origin: string, socket: TLSSocket): void {
    // A resumed TLS session may have no certificate.
    const endsMs = Date.parse(socket.getPeerCertificate().valid_to ?? '');
    if (!Number.isNaN(endsMs)) this.#seen.set(origin, { endsMs, atMs: this.clock.monotonicMs() });
  }
}
