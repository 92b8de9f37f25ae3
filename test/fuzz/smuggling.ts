import { connect } from 'node:net';

const CRLF = '\r\n';
const lines = (...all: string[]) => all.join(CRLF);

/** Requests that two parsers may read differently (RFC 9112 §6 and §11.2). Each may get only one answer. */
export const SMUGGLED: Record<string, string> = {
  'two lengths': lines(
    'POST /v1/onboardings HTTP/1.1',
    'Host: x',
    'Content-Length: 2',
    'Content-Length: 0',
    '',
    '{}',
  ),
  'length list': lines('POST /v1/onboardings HTTP/1.1', 'Host: x', 'Content-Length: 2, 2', '', '{}'),
  'length and chunks': lines(
    'POST /v1/onboardings HTTP/1.1',
    'Host: x',
    'Content-Length: 6',
    'Transfer-Encoding: chunked',
    '',
    '0',
    '',
    'GET /health/live HTTP/1.1',
    'Host: x',
    '',
    '',
  ),
  'two encodings': lines(
    'POST /v1/onboardings HTTP/1.1',
    'Host: x',
    'Transfer-Encoding: chunked',
    'Transfer-Encoding: identity',
    '',
    '0',
    '',
    '',
  ),
  'hidden encoding': lines(
    'POST /v1/onboardings HTTP/1.1',
    'Host: x',
    'Transfer-Encoding: xchunked',
    '',
    '0',
    '',
    '',
  ),
  'space before colon': lines('POST /v1/onboardings HTTP/1.1', 'Host: x', 'Content-Length : 2', '', '{}'),
  'folded header': lines(
    'GET /v1/onboardings HTTP/1.1',
    'Host: x',
    'X-A: 1',
    ' Authorization: Bearer x',
    '',
    '',
  ),
  'bare line feed': 'GET /v1/onboardings HTTP/1.1\nHost: x\n\n',
  'bare carriage return': `GET /v1/onboardings HTTP/1.1\rHost: x\r\r`,
  'null in a header': lines('GET /v1/onboardings HTTP/1.1', 'Host: x', 'X-A: a\0b', '', ''),
  'chunk size overflow': lines(
    'POST /v1/onboardings HTTP/1.1',
    'Host: x',
    'Transfer-Encoding: chunked',
    '',
    'fffffffffffffffff',
    '{}',
    '',
  ),
  'chunk size sign': lines(
    'POST /v1/onboardings HTTP/1.1',
    'Host: x',
    'Transfer-Encoding: chunked',
    '',
    '-2',
    '{}',
    '',
  ),
  'negative length': lines('POST /v1/onboardings HTTP/1.1', 'Host: x', 'Content-Length: -1', '', ''),
  'no host': lines('GET /v1/onboardings HTTP/1.1', '', ''),
  'two hosts': lines('GET /v1/onboardings HTTP/1.1', 'Host: a', 'Host: b', '', ''),
  version: lines('GET /v1/onboardings HTTP/9.9', 'Host: x', '', ''),
  'HTTP/2 preface': lines('PRI * HTTP/2.0', '', 'SM', '', ''),
  'no method': lines(' /v1/onboardings HTTP/1.1', 'Host: x', '', ''),
  'unknown method': lines('GETS /v1/onboardings HTTP/1.1', 'Host: x', '', ''),
  'absolute target': lines('GET http://evil.example/v1/onboardings HTTP/1.1', 'Host: x', '', ''),
  'authority target': lines('CONNECT evil.example:443 HTTP/1.1', 'Host: x', '', ''),
  'asterisk target': lines('OPTIONS * HTTP/1.1', 'Host: x', '', ''),
  'many headers': lines(
    'GET /v1/onboardings HTTP/1.1',
    'Host: x',
    ...Array.from({ length: 3_000 }, (_, i) => `X-${i}: 1`),
    '',
    '',
  ),
  'large header': lines('GET /v1/onboardings HTTP/1.1', 'Host: x', `X-A: ${'a'.repeat(40_000)}`, '', ''),
  upgrade: lines('GET /v1/onboardings HTTP/1.1', 'Host: x', 'Connection: Upgrade', 'Upgrade: h2c', '', ''),
  garbage: '\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03',
};

/**
 * @returns the status of each answer, after the service has closed the connection or been silent for
 *   `silenceMs`.
 */
export function sendRaw(url: string, bytes: string, silenceMs = 300): Promise<number[]> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(Number(port), hostname, () => socket.write(Buffer.from(bytes, 'latin1')));
    const end = () => {
      socket.destroy();
      const text = Buffer.concat(chunks).toString('latin1');
      resolve([...text.matchAll(/^HTTP\/1\.1 (\d{3})/gm)].map(([, status]) => Number(status)));
    };
    socket.setTimeout(silenceMs, end);
    socket.on('data', (chunk: Buffer) => void chunks.push(chunk));
    socket.on('close', end);
    socket.on('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNRESET' || error.code === 'EPIPE' ? end() : reject(error),
    );
  });
}
