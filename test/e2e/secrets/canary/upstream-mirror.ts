import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Answers with a copy of the request, by its place. */
export const ECHOES = {
  'in every member of JSON': (response, raw) =>
    json(response, 400, {
      error: raw,
      message: raw,
      status: 400,
      code: raw,
      details: [{ turnkeyErrorCode: raw, [raw.slice(0, 2_000)]: raw }],
      [raw.slice(0, 2_000)]: raw,
    }),
  'in a success of the wrong types': (response, raw) =>
    json(response, 200, {
      sessionId: { raw },
      otpId: [raw],
      session: { raw },
      verificationToken: 7,
      authenticatorIds: raw,
    }),
  'in HTML': (response, raw) =>
    response.writeHead(422, { 'content-type': 'text/html' }).end(`<html><h1>${raw}</h1></html>`),
  'in plain text': (response, raw) => response.writeHead(400, { 'content-type': 'text/plain' }).end(raw),
  'in half of JSON': (response, raw) =>
    response.writeHead(200, { 'content-type': 'application/json' }).end(`{"error": ${raw}`),
  'in its headers': (response, raw) =>
    response
      .writeHead(503, oneLine(raw).slice(0, 500), {
        'retry-after': oneLine(raw),
        'www-authenticate': `Bearer error="${oneLine(raw)}"`,
        'set-cookie': `echo=${oneLine(raw)}`,
        'content-type': `text/${oneLine(raw).slice(0, 2_000)}`,
        'x-request-id': oneLine(raw),
      })
      .end(raw),
  'in a redirect': (response, raw) =>
    response.writeHead(302, { location: `/${encodeURIComponent(raw)}` }).end(),
  'in a 401': (response, raw) => json(response, 401, { error: raw, status: 401 }),
} as const satisfies Record<string, (response: ServerResponse, raw: string) => unknown>;
export type Echo = keyof typeof ECHOES;

const json = (response: ServerResponse, status: number, body: object) =>
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
const oneLine = (text: string) => text.replace(/[^\x20-\x7e]/g, ' ').slice(0, 4_000);

/** The secrets in a provider's JSON answer. */
const GIVEN = /"(sessionId|session|sessionToken|verificationToken)":"([^"\\]{16,})"/g;

/**
 * A proxy in front of the sandbox. It reports the sessions and tokens in the answers, and can answer requests
 * itself, with a copy of the request.
 */
export class UpstreamMirror {
  readonly #echoes: { word: string; echo: Echo; times: number }[] = [];
  echoed = 0;
  /** The headers of all requests, except those that must contain a secret. */
  readonly headers: string[] = [];

  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  static async before(
    target: () => string,
    heard: (member: string, value: string) => void,
  ): Promise<UpstreamMirror> {
    const server = createServer((request, response) => {
      void mirror.#answer(request, response, target(), heard).catch(() => response.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const mirror = new UpstreamMirror(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    return mirror;
  }

  /** Answers the next `times` requests that contain `word` with a copy of the request. */
  echo(word: string, echo: Echo, times = 1): void {
    this.#echoes.push({ word, echo, times });
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  async #answer(
    request: IncomingMessage,
    response: ServerResponse,
    target: string,
    heard: (member: string, value: string) => void,
  ): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    // Only these headers may contain a secret: programs between service and provider could log the others.
    const { 'x-stamp': _stamp, 'x-captcha-token': _captcha, ...followed } = request.headers;
    this.headers.push(JSON.stringify(followed));
    const raw = `${request.url} ${JSON.stringify(request.headers)} ${body.toString()}`;
    const order = this.#echoes.find(({ word, times }) => times > 0 && raw.includes(word));
    if (order) {
      order.times -= 1;
      this.echoed += 1;
      ECHOES[order.echo](response, raw);
      return;
    }
    const {
      host: _,
      connection: __,
      'content-length': ___,
      'transfer-encoding': ____,
      ...headers
    } = request.headers;
    const bodyless = request.method === 'GET' || request.method === 'HEAD';
    const answer = await fetch(target + request.url, {
      method: request.method!,
      headers: headers as Record<string, string>,
      redirect: 'manual',
      ...(!bodyless && { body }),
    });
    const text = await answer.text();
    for (const [, member = '', value = ''] of text.matchAll(GIVEN)) heard(member, value);
    response.writeHead(
      answer.status,
      Object.fromEntries(
        [...answer.headers].filter(
          ([name]) => !['content-length', 'connection', 'transfer-encoding', 'keep-alive'].includes(name),
        ),
      ),
    );
    response.end(text);
  }
}
