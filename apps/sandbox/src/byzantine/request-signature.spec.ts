import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { parseIntegratorKey } from './integrator-keys.js';
import { checkSignature } from './request-signature.js';

interface Vectors {
  xPubkey: string;
  timestamp: string;
  cases: {
    name: string;
    method: string;
    pathAndQuery: string;
    bodyString: string;
    sha256Hex: string;
    signatureDerRfc6979: string;
    signatureDerRfc6979LowS: string;
  }[];
}
const vectors = JSON.parse(
  readFileSync(new URL('../../test/fixtures/byzantine-vectors.json', import.meta.url), 'utf8'),
) as Vectors;
const key = parseIntegratorKey(vectors.xPubkey);
const keys = new Map([[key.pubkey, key]]);
const signedAtMs = Number(vectors.timestamp) * 1000;

type Vector = Vectors['cases'][number];
const requestOf = (vector: Vector, signature = vector.signatureDerRfc6979) => ({
  method: vector.method,
  pathAndQuery: vector.pathAndQuery,
  rawBody: Buffer.from(vector.bodyString),
  headers: {
    'x-pubkey': vectors.xPubkey,
    'x-timestamp': vectors.timestamp,
    'x-signature': signature,
  } as Record<string, string | undefined>,
});
const refusal = (request: ReturnType<typeof requestOf>, nowMs = signedAtMs) =>
  checkSignature(request, keys, nowMs).refusal;
const initOtp = vectors.cases[0] as Vector;

describe.each(vectors.cases)('the signature of the test vector $name', (vector) => {
  it('is accepted with high S and with low S', () => {
    const message = vectors.timestamp + vector.method + vector.pathAndQuery + vector.bodyString;
    expect(createHash('sha256').update(message).digest('hex')).toBe(vector.sha256Hex);
    expect(refusal(requestOf(vector))).toBeNull();
    expect(refusal(requestOf(vector, vector.signatureDerRfc6979LowS))).toBeNull();
  });

  it('is refused if any part of the signed request is changed', () => {
    const good = requestOf(vector);
    const later = { ...good.headers, 'x-timestamp': String(Number(vectors.timestamp) + 1) };
    for (const altered of [
      { ...good, method: good.method === 'GET' ? 'POST' : 'GET' },
      { ...good, pathAndQuery: `${good.pathAndQuery}&a=1` },
      { ...good, pathAndQuery: good.pathAndQuery.toUpperCase() },
      { ...good, rawBody: Buffer.from(`${vector.bodyString} `) },
      { ...good, headers: later },
    ]) {
      expect(refusal(altered)).toMatchObject({ status: 401, message: 'invalid request signature' });
    }
  });
});

describe('the signature of a request', () => {
  it('is refused if any one of its bits is flipped', () => {
    const der = Buffer.from(initOtp.signatureDerRfc6979.slice(2), 'hex');
    for (let bit = 0; bit < der.length * 8; bit += 1) {
      const flipped = Buffer.from(der);
      flipped.writeUInt8(der.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(refusal(requestOf(initOtp, `0x${flipped.toString('hex')}`))?.status).toBe(401);
    }
  });

  it('is refused in the raw form of r and s, without DER', () => {
    expect(refusal(requestOf(initOtp, `0x${'11'.repeat(64)}`))?.status).toBe(401);
  });
});

describe('the headers of a signed request', () => {
  const withHeader = (name: string, value: string | undefined) => {
    const request = requestOf(initOtp);
    return { ...request, headers: { ...request.headers, [name]: value } };
  };

  it.each([
    ['x-pubkey', 'X-Pubkey'],
    ['x-timestamp', 'X-Timestamp'],
    ['x-signature', 'X-Signature'],
  ])('are refused with 400 if %s is missing', (name, label) => {
    expect(refusal(withHeader(name, undefined))).toMatchObject({
      status: 400,
      message: `missing ${label} header`,
    });
  });

  it.each([
    ['x-pubkey', vectors.xPubkey.toUpperCase()],
    ['x-pubkey', vectors.xPubkey.slice(2)],
    ['x-pubkey', `0x04${'ab'.repeat(32)}`],
    ['x-timestamp', '2025-10-13T17:17:06Z'],
    ['x-timestamp', '1760375826.5'],
    ['x-timestamp', '-1'],
    ['x-signature', initOtp.signatureDerRfc6979.slice(2)],
    ['x-signature', '0xzz'],
    ['x-signature', '0x123'],
  ])('are refused with 400 if %s is malformed: %s', (name, value) => {
    expect(refusal(withHeader(name, value))).toMatchObject({ status: 400 });
    expect(refusal(withHeader(name, value))?.message).toMatch(/^malformed X-/);
  });

  it('are refused with 401 if the key is unknown', () => {
    expect(checkSignature(requestOf(initOtp), new Map(), signedAtMs).refusal).toMatchObject({
      status: 401,
      message: 'unknown public key',
    });
  });

  it('may have a timestamp up to a minute before or after the sandbox’s time', () => {
    for (const skewMs of [-60_000, 0, 60_000]) {
      expect(refusal(requestOf(initOtp), signedAtMs + skewMs)).toBeNull();
    }
    for (const skewMs of [-60_001, 60_001]) {
      expect(refusal(requestOf(initOtp), signedAtMs + skewMs)).toMatchObject({
        status: 401,
        message: 'request timestamp is outside the allowed window',
      });
    }
    expect(checkSignature(requestOf(initOtp), keys, signedAtMs + 2500).timestampSkewMs).toBe(-2500);
  });
});

describe('a configured public key', () => {
  it('has a scope (read_write by default) and an optional label', () => {
    expect(parseIntegratorKey(vectors.xPubkey)).toMatchObject({ accessScope: 'read_write', label: null });
    expect(parseIntegratorKey(`${vectors.xPubkey}:read_only:audit`)).toMatchObject({
      accessScope: 'read_only',
      label: 'audit',
    });
    expect(parseIntegratorKey(`${vectors.xPubkey}:ci`)).toMatchObject({
      accessScope: 'read_write',
      label: 'ci',
    });
  });

  it('is refused if it is malformed or not on the curve', () => {
    // x = 1 has no point on P-256.
    expect(() => parseIntegratorKey(`0x02${'0'.repeat(63)}1`)).toThrow(/not a point of the curve/);
    expect(() => parseIntegratorKey('abc')).toThrow(/not a public key/);
  });
});
