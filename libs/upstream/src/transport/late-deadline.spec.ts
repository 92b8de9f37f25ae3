import { X509Certificate } from 'node:crypto';
import tls from 'node:tls';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '#libs/kernel';
import { aCall, testConfig } from '#libs/testing';
import { authority, certificate, keyPair, extension } from '../../../../test/passkeys/certificates.js';
import { der, seq } from '../../../../test/passkeys/der.js';
import { answeringThread, type AnsweringThread, type Packet } from '../fixtures/answering-thread.js';
import { answering } from '../fixtures/raw-server.js';
import { UpstreamHttpClient } from './http-client.js';

const BODY = JSON.stringify({ sessionId: 'x'.repeat(200_000) });
const ANSWER = answering(200, BODY);
const HEAD = ANSWER.slice(0, ANSWER.indexOf('\r\n\r\n') + 4);

/** This process trusts the certificate from now on. */
function ownCertificate(): { cert: string; key: string } {
  const issuer = authority();
  const { publicKey, privateKey } = keyPair();
  const alternativeNames = extension('2.5.29.17', seq(der(0x87, Buffer.from([127, 0, 0, 1]))));
  const leaf = certificate({ publicKey, issuer, extensions: [alternativeNames] });
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), issuer.pem]);
  return {
    cert: new X509Certificate(leaf).toString(),
    key: String(privateKey.export({ type: 'pkcs8', format: 'pem' })),
  };
}

/** Node.js has this function since versions 22.19 and 24.5. */
const canTrust = 'setDefaultCACertificates' in tls;
const transports: [string, { cert: string; key: string } | undefined][] = [
  ['HTTP', undefined],
  ...(canTrust ? ([['TLS', ownCertificate()]] as [string, { cert: string; key: string }][]) : []),
];

describe.each(transports)('a call over %s whose deadline passed during a suspension', (_, certificates) => {
  let client: UpstreamHttpClient;
  let server: AnsweringThread;
  beforeEach(() => {
    client = new UpstreamHttpClient(testConfig({ UPSTREAM_CONNECTIONS: '1' }), systemClock);
  });
  afterEach(async () => {
    await client.onApplicationShutdown();
    await server.close();
  });

  async function sendAndStandStill(packets: Packet[]) {
    server = await answeringThread(packets, certificates);
    let left = () => undefined as void;
    const sent = new Promise<void>((resolve) => (left = resolve));
    const at = { baseUrl: server.url, lane: 'one', pathAndQuery: '/v1/submit/otp-auth', headers: {} };
    await client.send(aCall(), { ...at, method: 'GET' });
    const answer = client.send(aCall({ timeoutMs: 400, beforeSend: () => left() }), {
      ...at,
      method: 'POST',
      body: '{}',
    });
    answer.catch(() => undefined);
    await sent;
    await new Promise(setImmediate);
    server.standStill(500);
    return answer;
  }

  it.each<[string, Packet[]]>([
    ['in one packet', [{ afterMs: 50, bytes: ANSWER }]],
    [
      'in two packets',
      [
        { afterMs: 50, bytes: HEAD },
        { afterMs: 50, bytes: BODY },
      ],
    ],
    [
      'after an interim answer',
      [
        { afterMs: 50, bytes: `HTTP/1.1 100 Continue\r\n\r\n` },
        { afterMs: 50, bytes: ANSWER },
      ],
    ],
  ])('gets an answer that is already in the socket, %s', async (_name, packets) => {
    const answer = await sendAndStandStill(packets);
    expect(answer).toMatchObject({ status: 200, text: BODY });
  });

  it('ends immediately if there is no answer', async () => {
    await expect(sendAndStandStill([])).rejects.toMatchObject({
      failure: 'no_answer',
      evidence: { headersSeen: false },
    });
  });

  it('ends if only half of the answer has arrived', async () => {
    await expect(sendAndStandStill([{ afterMs: 20, bytes: HEAD }])).rejects.toMatchObject({
      failure: 'no_answer',
      evidence: { headersSeen: true, status: 200 },
    });
  });
});
