/**
 * Measures an ECDSA P-256 signature and its verification with each library for Node.js.
 *
 *     node bench/signing.mjs
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify, webcrypto } from 'node:crypto';
import { p256 } from '@noble/curves/nist.js';
import { compare, printTable } from './compare.mjs';

const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const privatePem = keys.privateKey.export({ type: 'pkcs8', format: 'pem' });
const publicPem = keys.publicKey.export({ type: 'spki', format: 'pem' });
const privateKey = createPrivateKey(privatePem);
const publicKey = createPublicKey(publicPem);

const jwk = privateKey.export({ format: 'jwk' });
const secret = Buffer.from(jwk.d, 'base64url');
const point = p256.getPublicKey(secret, true);
const noble = { lowS: false, prehash: true, format: 'der' };

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const { subtle } = webcrypto;
const webPrivate = await subtle.importKey('jwk', jwk, algorithm, false, ['sign']);
const webPublic = await subtle.importKey(
  'spki',
  keys.publicKey.export({ type: 'spki', format: 'der' }),
  algorithm,
  false,
  ['verify'],
);

/** A message of the usual length: timestamp, method, path and an otp-auth body. */
const message = Buffer.from(`1760375826POST/v1/submit/otp-auth${'x'.repeat(166)}`);
const der = sign('sha256', message, privateKey);
const raw = sign('sha256', message, { key: privateKey, dsaEncoding: 'ieee-p1363' });

const times = (once) => (count) => {
  for (let i = 0; i < count; i++) once();
};
const timesAsync = (once) => async (count) => {
  for (let i = 0; i < count; i++) await once();
};

const ways = [
  {
    name: 'node:crypto, KeyObject kept',
    sign: times(() => sign('sha256', message, privateKey)),
    verify: times(() => verify('sha256', message, publicKey, der)),
    count: 10_000,
  },
  {
    name: 'node:crypto, PEM given each time',
    sign: times(() => sign('sha256', message, privatePem)),
    verify: times(() => verify('sha256', message, publicPem, der)),
    count: 5_000,
  },
  {
    name: 'WebCrypto, CryptoKey kept',
    sign: timesAsync(() => subtle.sign(algorithm, webPrivate, message)),
    verify: timesAsync(() => subtle.verify(algorithm, webPublic, raw, message)),
    count: 5_000,
  },
  {
    name: '@noble/curves',
    sign: times(() => p256.sign(message, secret, noble)),
    verify: times(() => p256.verify(der, message, point, noble)),
    count: 400,
  },
];

const signing = await compare(ways.map(({ name, sign: run, count }) => ({ name, run, count })));
const checking = await compare(ways.map(({ name, verify: run, count }) => ({ name, run, count })));
printTable(
  ['one operation', 'sign, µs', 'times the first', 'verify, µs'],
  signing.map(({ name, wallUs }, i) => [
    name,
    wallUs.toFixed(0),
    (wallUs / signing[0].wallUs).toFixed(1),
    checking[i].wallUs.toFixed(0),
  ]),
);
