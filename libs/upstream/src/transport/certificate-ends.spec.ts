import { X509Certificate } from 'node:crypto';
import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Pool, buildConnector } from 'undici';
import { authority, certificate, extension, keyPair } from '../../../../test/passkeys/certificates.js';
import { der, seq } from '../../../../test/passkeys/der.js';
import { CertificateEnds } from './certificate-ends.js';
import { withoutInterimAnswers } from './interim-answers.js';

const DAY_MS = 86_400_000;
const LOCALHOST = extension('2.5.29.17', seq(der(0x87, Buffer.from([127, 0, 0, 1]))));

const issuer = authority();
let server: Server;
let pool: Pool;
afterEach(async () => {
  await pool.close();
  server.close();
});

/** Starts a server whose certificate ends after some days. */
function tlsServer(validFor: number): Server {
  const { publicKey, privateKey } = keyPair();
  const made = certificate({ publicKey, issuer, extensions: [LOCALHOST], validFor });
  return createTlsServer({
    cert: new X509Certificate(made).toString(),
    key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  });
}

/** Sends a request. @returns what is known of the server's certificate then. */
async function endsAfterRequest(scheme: 'http' | 'https', listening: Server, known: CertificateEnds) {
  server = listening;
  server.on('request', (_request, response) => response.end('fine'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const connect = known.watch(origin, withoutInterimAnswers(buildConnector({ ca: issuer.pem })));
  pool = new Pool(origin, { connect });
  expect(known.of(origin)).toBeUndefined();
  const { body } = await pool.request({ method: 'GET', path: '/' });
  expect(await body.text()).toBe('fine');
  return known.of(origin);
}

describe('the end of a server’s certificate', () => {
  it('is known after the first connection', async () => {
    const endsMs = await endsAfterRequest('https', tlsServer(7), new CertificateEnds());
    expect(Math.round((endsMs! - Date.now()) / DAY_MS)).toBe(7);
  });

  it('is unknown without TLS', async () => {
    expect(await endsAfterRequest('http', createHttpServer(), new CertificateEnds())).toBeUndefined();
  });
});
