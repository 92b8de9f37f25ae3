import { TLSSocket } from 'node:tls';
import type { buildConnector } from 'undici';

/** When the certificates of the servers end, as the connections of this process have seen them. */
export class CertificateEnds {
  readonly #endsMs = new Map<string, number>();

  /** @returns milliseconds since the epoch. Undefined without a TLS connection to this origin. */
  of(origin: string): number | undefined {
    return this.#endsMs.get(origin);
  }

  /** Notes the certificate of each new connection. */
  watch(origin: string, connect: buildConnector.connector): buildConnector.connector {
    return (options, callback) =>
      connect(options, (...result) => {
        const [, socket] = result;
        if (socket instanceof TLSSocket) this.#note(origin, socket);
        callback(...result);
      });
  }

  #note(origin: string, socket: TLSSocket): void {
    // A session that is resumed may have no certificate.
    const endsMs = Date.parse(socket.getPeerCertificate().valid_to ?? '');
    if (!Number.isNaN(endsMs)) this.#endsMs.set(origin, endsMs);
  }
}
