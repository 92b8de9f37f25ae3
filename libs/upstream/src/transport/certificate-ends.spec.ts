import { X509Certificate } from 'node:crypto';
import { createServer as createHttpServer, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Pool, buildConnector } from 'undici';
import { systemClock, type Clock } from '#libs/kernel';
import { authority, certificate, extension, keyPair } from '../../../../test/passkeys/certificates.js';
import { der, seq } from '../../../../test/passkeys/der.js';
import { CertificateEnds } from './certificate-ends.js';
import { withoutInterimAnswers } from './interim-answers.js';

const DAY_MS = 86_400_000;
const LOCALHOST = extension('2.5.29.17', seq(der(0x87, Buffer.from([127, 0, 0, 1]))));

const issuer = authority();
let nowMs = 0;
const clock: Clock = { ...systemClock, monotonicMs: () => nowMs };
const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of open.splice(0).reverse()) await each.close();
});

/** @param validFor days */
function tlsServer(validFor: number): Server {
  const { publicKey, privateKey } = keyPair();
  const made = certificate({ publicKey, issuer, extensions: [LOCALHOST], validFor });
  return createTlsServer({
    cert: new X509Certificate(made).toString(),
    key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  });
}

async function listen(server: Server, port = 0): Promise<number> {
  server.on('request', (_request, response) => response.end('fine'));
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  open.push({ close: () => new Promise((resolve) => server.close(resolve)) });
  return (server.address() as AddressInfo).port;
}

async function send(origin: string, ends: CertificateEnds): Promise<void> {
  const connect = ends.watch(origin, withoutInterimAnswers(buildConnector({ ca: issuer.pem })));
  const pool = new Pool(origin, { connect });
  const { body } = await pool.request({ method: 'GET', path: '/' });
  expect(await body.text()).toBe('fine');
  await pool.close();
}

const daysUntil = (endsMs: number | undefined) => Math.round((endsMs! - Date.now()) / DAY_MS);

describe('the end of a server’s certificate', () => {
  it('is known after the first connection', async () => {
    const ends = new CertificateEnds(clock);
    const origin = `https://127.0.0.1:${await listen(tlsServer(7))}`;
    expect(ends.endsMs(origin)).toBeUndefined();
    await send(origin, ends);
    expect(daysUntil(ends.endsMs(origin))).toBe(7);
  });

  it('is updated by the first connection with a renewed certificate', async () => {
    const ends = new CertificateEnds(clock);
    const old = tlsServer(7);
    const port = await listen(old);
    const origin = `https://127.0.0.1:${port}`;
    await send(origin, ends);
    await new Promise((resolve) => old.close(resolve));
    await listen(tlsServer(90), port);
    await send(origin, ends);
    expect(daysUntil(ends.endsMs(origin))).toBe(90);
  });

  it('is forgotten after a day without a connection, because a renewal may have changed it', async () => {
    const ends = new CertificateEnds(clock);
    const origin = `https://127.0.0.1:${await listen(tlsServer(7))}`;
    await send(origin, ends);
    nowMs += DAY_MS - 1;
    expect(daysUntil(ends.endsMs(origin))).toBe(7);
    nowMs += 1;
    expect(ends.endsMs(origin)).toBeUndefined();
    await send(origin, ends);
    expect(daysUntil(ends.endsMs(origin))).toBe(7);
  });

  it('is unknown without TLS', async () => {
    const ends = new CertificateEnds(clock);
    const origin = `http://127.0.0.1:${await listen(createHttpServer())}`;
    await send(origin, ends);
    expect(ends.endsMs(origin)).toBeUndefined();
  });
});
