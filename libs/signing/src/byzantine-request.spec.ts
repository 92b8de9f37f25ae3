import { createHash, createPublicKey, verify } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { byzantineSigningInput, signByzantineRequest, type ByzantineRequest } from './byzantine-request.js';
import { Secret } from '#libs/kernel';
import { rfc6979Key } from './fixtures/rfc6979-key.js';
import { bytesOf, vectors, type SignatureVector } from './fixtures/vectors.js';
import { parsePrivateKey } from './private-key.js';

const key = parsePrivateKey(new Secret(vectors.privateKeyHex), 'VECTORS');

/** The DER prefix of a P-256 SPKI (RFC 5480 §2), then the 33 bytes of the compressed key. */
const publicKey = createPublicKey({
  key: Buffer.concat([
    bytesOf('3039301306072a8648ce3d020106082a8648ce3d030107032200'),
    bytesOf(vectors.xPubkey),
  ]),
  format: 'der',
  type: 'spki',
});

const requestOf = (vector: SignatureVector): ByzantineRequest => ({
  timestampS: Number(vectors.timestamp),
  method: vector.method,
  pathAndQuery: vector.pathAndQuery,
  body: vector.bodyString,
});

const GOOD = requestOf(vectors.cases[0]!);

describe.each(vectors.cases)('the request of test vector $name', (vector) => {
  const request = requestOf(vector);

  it('gives the message and the digest of the vector', () => {
    const input = byzantineSigningInput(request);
    expect(Buffer.from(input).toString()).toBe(vector.message);
    expect(createHash('sha256').update(input).digest('hex')).toBe(vector.sha256Hex);
  });

  it('gives exactly the headers of the vector, if signed with the nonce of the vector', async () => {
    expect(await signByzantineRequest(rfc6979Key(vectors.privateKeyHex), request)).toEqual({
      'X-Pubkey': vectors.xPubkey,
      'X-Timestamp': vectors.timestamp,
      'X-Signature': vector.signatureDerRfc6979,
    });
  });

  it('is signed over the message of the vector', async () => {
    const headers = await signByzantineRequest(key, request);
    const message = Buffer.from(vector.message);
    expect(verify('sha256', message, publicKey, bytesOf(headers['X-Signature']))).toBe(true);
  });
});

describe('any request', () => {
  const anyRequest = fc.record({
    timestampS: fc.integer({ min: 1, max: 4_000_000_000 }),
    method: fc.constantFrom('GET', 'post', 'Delete', 'PATCH'),
    pathAndQuery: fc.webPath().map((path) => `/v1${path}`),
    body: fc.oneof(fc.json(), fc.string({ unit: 'grapheme' })),
  });

  it('has well-formed headers, and a signature over the exact bytes sent', async () => {
    await fc.assert(
      fc.asyncProperty(anyRequest, async (request) => {
        const headers = await signByzantineRequest(key, request);
        expect(headers['X-Pubkey']).toMatch(/^0x0[23][0-9a-f]{64}$/);
        expect(headers['X-Timestamp']).toMatch(/^[1-9][0-9]{0,10}$/);
        expect(headers['X-Signature']).toMatch(/^0x30[0-9a-f]{2}02[0-9a-f]{40,140}$/);

        const hash = Buffer.concat([
          Buffer.from(headers['X-Timestamp'], 'ascii'),
          Buffer.from(request.method.toUpperCase(), 'ascii'),
          Buffer.from(request.pathAndQuery, 'ascii'),
          Buffer.from(request.body),
        ]);
        expect(verify('sha256', hash, publicKey, bytesOf(headers['X-Signature']))).toBe(true);
      }),
    );
  });

  // The composed and the decomposed é are different bytes, so the body must not be normalized.
  it.each(['NFC', 'NFD'])(
    'is signed over the exact UTF-8 of its body: white space and the Unicode form %s stay',
    (form) => {
      const body = '{ "authenticatorName" : "Clé de Zoé 🔑" }\n'.normalize(form);
      const utf8 = new TextEncoder().encode(body);
      expect(byzantineSigningInput({ ...GOOD, body }).subarray(-utf8.length)).toEqual(Buffer.from(utf8));
    },
  );
});

describe('a bad request is not signed', () => {
  it.each([1760375826123, 1760375826.5, 0, -1, Number.NaN])(
    'if it has the timestamp %s',
    async (timestampS) => {
      await expect(signByzantineRequest(key, { ...GOOD, timestampS })).rejects.toThrow(/timestampS/);
    },
  );

  it.each(['', 'v1/x', 'https://host/v1/x', '/v1/x#part', '/v1/a b', '/v1/é', '/v1/x\r\nHost: y'])(
    'if it has the target %j',
    async (pathAndQuery) => {
      const signed = signByzantineRequest(key, { ...GOOD, pathAndQuery });
      await expect(signed).rejects.toThrow(/pathAndQuery/);
    },
  );
});
