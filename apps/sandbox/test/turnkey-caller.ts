import { createHash, sign } from 'node:crypto';
import { encryptOtpCodeToBundle } from '@turnkey/crypto';
import type { P256KeyPair } from '../src/p256.js';
import { p256FromScalar } from '../src/p256.js';
import type { Answer } from './integrator.js';

/** A test's changes to a valid request. Null omits a header. */
export interface CallerDeviation {
  headers?: Record<string, string | null>;
  /** Stamped in place of the sent body. */
  stampedBody?: string;
  skewMs?: number;
  organizationId?: string;
}

export class TurnkeyCaller {
  #lastMs = 0;

  constructor(
    readonly url: string,
    readonly keys: P256KeyPair,
    readonly organizationId: string,
    private readonly nowMs: () => number,
  ) {}

  as(privateKeyHex: string, organizationId: string): TurnkeyCaller {
    return new TurnkeyCaller(this.url, p256FromScalar(privateKeyHex), organizationId, this.nowMs);
  }

  /** Each text is different, because it has a new timestamp. */
  activity(type: string, parameters: object, deviation: CallerDeviation = {}): string {
    this.#lastMs = Math.max(this.#lastMs + 1, this.nowMs());
    return JSON.stringify({
      type: `ACTIVITY_TYPE_${type}`,
      timestampMs: String(this.#lastMs + (deviation.skewMs ?? 0)),
      organizationId: deviation.organizationId ?? this.organizationId,
      parameters,
    });
  }

  submit(path: string, type: string, parameters: object, deviation: CallerDeviation = {}): Promise<Answer> {
    return this.send(`submit/${path}`, this.activity(type, parameters, deviation), deviation);
  }

  query(path: string, parameters: object = {}, deviation: CallerDeviation = {}): Promise<Answer> {
    const organizationId = deviation.organizationId ?? this.organizationId;
    return this.send(`query/${path}`, JSON.stringify({ organizationId, ...parameters }), deviation);
  }

  async send(path: string, body: string, deviation: CallerDeviation = {}): Promise<Answer> {
    const headers: Record<string, string | null> = {
      'content-type': 'application/json',
      'x-stamp': stampOf(deviation.stampedBody ?? body, this.keys),
      ...deviation.headers,
    };
    return post(`${this.url}/public/v1/${path}`, body, headers);
  }
}

export function stampOf(body: string, { privateKey, compressed }: P256KeyPair): string {
  const signature = sign('sha256', Buffer.from(body), privateKey).toString('hex');
  const stamp = { publicKey: compressed, scheme: 'SIGNATURE_SCHEME_TK_API_P256', signature };
  return Buffer.from(JSON.stringify(stamp)).toString('base64url');
}

/** The signature has the raw form r‖s. */
export function clientSignatureOf(message: object, { privateKey, compressed }: P256KeyPair) {
  const text = JSON.stringify(message);
  const signature = sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' });
  return {
    publicKey: compressed,
    scheme: 'CLIENT_SIGNATURE_SCHEME_API_P256',
    message: text,
    signature: signature.toString('hex'),
  };
}

export function sealed(code: string, bundle: string, keys: P256KeyPair, signer: string): Promise<string> {
  return encryptOtpCodeToBundle(code, bundle, keys.compressed, signer);
}

export function claimsOf(jwt: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;
}

export const fingerprint = (body: string) => `sha256:${createHash('sha256').update(body).digest('hex')}`;

export async function post(
  url: string,
  body: string,
  headers: Record<string, string | null>,
): Promise<Answer> {
  const given = Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== null);
  const response = await fetch(url, { method: 'POST', headers: given, body: Buffer.from(body) });
  const text = await response.text();
  const type = response.headers.get('content-type');
  const parsed: unknown = type?.startsWith('application/json') && text ? JSON.parse(text) : text;
  return { status: response.status, type, headers: response.headers, body: parsed };
}
