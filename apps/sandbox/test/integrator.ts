import { createPrivateKey, createECDH, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

/** `body` is parsed if it is JSON. */
export interface Answer {
  status: number;
  type: string | null;
  headers: Headers;
  body: unknown;
}

/** A test's changes to a valid request. Null omits a header. */
export interface Deviation {
  headers?: Record<string, string | null>;
  /** Signed in place of the sent body. */
  signedBody?: string;
  signedPath?: string;
  skewS?: number;
  signal?: AbortSignal;
}

export class Integrator {
  readonly pubkey: string;
  readonly #key: KeyObject;

  constructor(
    private readonly url: string,
    privateKeyHex: string,
    private readonly nowMs: () => number = Date.now,
  ) {
    const ecdh = createECDH('prime256v1');
    ecdh.setPrivateKey(privateKeyHex, 'hex');
    this.pubkey = `0x${ecdh.getPublicKey('hex', 'compressed')}`;
    const [x, y] = [ecdh.getPublicKey().subarray(1, 33), ecdh.getPublicKey().subarray(33)];
    const [d64, x64, y64] = [ecdh.getPrivateKey(), x, y].map((part) => part.toString('base64url'));
    this.#key = createPrivateKey({
      format: 'jwk',
      key: { kty: 'EC', crv: 'P-256', d: d64 ?? '', x: x64 ?? '', y: y64 ?? '' },
    });
  }

  get(path: string, deviation: Deviation = {}): Promise<Answer> {
    return this.#exchange('GET', path, '', deviation);
  }

  /** A string is sent unchanged, other bodies as JSON. */
  submit(step: string, body: unknown, deviation: Deviation = {}): Promise<Answer> {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return this.#exchange('POST', `/v1/submit/${step}`, text, deviation);
  }

  send(method: string, path: string, body: string, deviation: Deviation = {}): Promise<Response> {
    const timestamp = String(Math.floor(this.nowMs() / 1000) + (deviation.skewS ?? 0));
    const signed = deviation.signedBody ?? body;
    const message = timestamp + method + (deviation.signedPath ?? path) + signed;
    const signature = sign('sha256', Buffer.from(message), this.#key).toString('hex');
    const headers: Record<string, string | null> = {
      'content-type': 'application/json',
      'x-pubkey': this.pubkey,
      'x-timestamp': timestamp,
      'x-signature': `0x${signature}`,
      ...deviation.headers,
    };
    return fetch(this.url + path, {
      method,
      redirect: 'manual',
      headers: Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== null),
      ...(method === 'GET' ? {} : { body: Buffer.from(body) }),
      ...(deviation.signal && { signal: deviation.signal }),
    });
  }

  async #exchange(method: string, path: string, body: string, deviation: Deviation): Promise<Answer> {
    const response = await this.send(method, path, body, deviation);
    const text = await response.text();
    const type = response.headers.get('content-type');
    return { status: response.status, type, headers: response.headers, body: parsed(text, type) };
  }
}

function parsed(text: string, type: string | null): unknown {
  if (!type?.startsWith('application/json')) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
