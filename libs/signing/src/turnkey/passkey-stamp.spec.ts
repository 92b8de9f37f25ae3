import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { afterEach, describe, expect, it } from '@jest/globals';
import { browserInit, TurnkeyApi } from '@turnkey/http';
import fc from 'fast-check';
import { base64url, turnkeyVectors } from '../fixtures/turnkey-vectors.js';
import { relayClientStamp } from './client-stamp.js';
import { passkeyChallenge, relayPasskeyStamp } from './passkey-stamp.js';

const { body, challengeString, challengeBytesHex, clientDataChallenge, docsExample } = turnkeyVectors.passkey;

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** What an authenticator and a browser answer to a challenge (WebAuthn Level 3 §7.2), as bytes. */
function assertion(challenge: string) {
  const clientData = { type: 'webauthn.get', challenge, origin: 'https://app.example', crossOrigin: false };
  const clientDataJSON = Buffer.from(JSON.stringify(clientData));
  const rpIdHash = createHash('sha256').update('app.example').digest();
  const authenticatorData = Buffer.concat([rpIdHash, Buffer.of(0x05, 0, 0, 0, 7)]);
  const signed = Buffer.concat([authenticatorData, createHash('sha256').update(clientDataJSON).digest()]);
  return { clientData, clientDataJSON, authenticatorData, signature: sign('sha256', signed, privateKey) };
}

const answer = assertion(clientDataChallenge);
const stamp = {
  credentialId: base64url('credential'),
  authenticatorData: answer.authenticatorData.toString('base64url'),
  clientDataJson: answer.clientDataJSON.toString('base64url'),
  signature: answer.signature.toString('base64url'),
};

describe('the challenge', () => {
  it('is the one of the vector', () => {
    expect(passkeyChallenge(body)).toBe(clientDataChallenge);
    expect(Buffer.from(clientDataChallenge, 'base64url').toString('hex')).toBe(challengeBytesHex);
    expect(Buffer.from(clientDataChallenge, 'base64url').toString()).toBe(challengeString);
  });

  it('is not the one that the upstream’s documentation prints, which is of the body without its last brace', () => {
    const textOf = (of: string) => Buffer.from(passkeyChallenge(of), 'base64url').toString();
    expect(textOf(docsExample.body)).toBe(docsExample.sha256);
    expect(textOf(docsExample.body.slice(0, -1))).toBe(docsExample.publishedChallenge);
  });
});

describe('relaying', () => {
  it('gives plain JSON of the four members', () => {
    const header = relayPasskeyStamp(JSON.stringify({ more: 1, ...stamp }), body);
    expect(Object.keys(header)).toEqual(['X-Stamp-Webauthn']);
    expect(JSON.parse(header['X-Stamp-Webauthn'])).toEqual(stamp);
    expect(relayPasskeyStamp(JSON.stringify(stamp), Buffer.from(body))).toEqual(header);
  });

  it('takes the challenge of any body for that body alone', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (any) => {
        const clientDataJson = assertion(passkeyChallenge(any)).clientDataJSON.toString('base64url');
        const value = JSON.stringify({ ...stamp, clientDataJson });
        expect(JSON.parse(relayPasskeyStamp(value, any)['X-Stamp-Webauthn'])).toMatchObject({
          clientDataJson,
        });
        expect(() => relayPasskeyStamp(value, `${any} `)).toThrow(
          expect.objectContaining({ reason: 'wrong_message' }),
        );
      }),
    );
  });

  const changed = (change: object): string => JSON.stringify({ ...stamp, ...change });
  const clientData = (change: object): string =>
    changed({ clientDataJson: base64url({ ...answer.clientData, ...change }) });
  const hash = createHash('sha256').update(body).digest();

  it.each<[string, string, string, string?]>([
    ['nothing', 'malformed', ''],
    ['base64url, as X-Stamp has it', 'malformed', base64url(stamp)],
    ['no credentialId', 'malformed', changed({ credentialId: undefined })],
    ['a credentialId in base64', 'malformed', changed({ credentialId: 'a+/=' })],
    ['no authenticatorData', 'malformed', changed({ authenticatorData: '' })],
    ['short authenticatorData', 'malformed', changed({ authenticatorData: base64url('x'.repeat(36)) })],
    ['no signature', 'malformed', changed({ signature: undefined })],
    ['a signature in hex', 'malformed', changed({ signature: answer.signature.toString('hex') })],
    ['a raw signature', 'malformed', changed({ signature: base64url('x'.repeat(64)) })],
    ['clientDataJson as plain JSON', 'malformed', changed({ clientDataJson: JSON.stringify(stamp) })],
    ['clientDataJson that is no JSON', 'malformed', changed({ clientDataJson: base64url('data') })],
    ['a registration', 'wrong_message', clientData({ type: 'webauthn.create' })],
    ['no challenge', 'wrong_message', clientData({ challenge: undefined })],
    ['the hash’s bytes as challenge', 'wrong_message', clientData({ challenge: hash.toString('base64url') })],
    ['the hash’s text as challenge', 'wrong_message', clientData({ challenge: challengeString })],
    ['a padded challenge', 'wrong_message', clientData({ challenge: `${clientDataChallenge}==` })],
    ['another body', 'wrong_message', JSON.stringify(stamp), `${body} `],
  ])('refuses %s as %s', (_, reason, value, of = body) => {
    expect(() => relayPasskeyStamp(value, of)).toThrow(
      expect.objectContaining({ name: 'InvalidProofError', proof: 'passkey stamp', reason }),
    );
  });
});

describe('in a browser, with @turnkey/http', () => {
  const real = Object.getOwnPropertyDescriptor(globalThis, 'navigator')!;
  afterEach(() => {
    Object.defineProperty(globalThis, 'navigator', real);
    Reflect.deleteProperty(globalThis, 'window');
  });

  it('what its client stamps by a passkey is taken', async () => {
    const get = ({ publicKey }: { publicKey: { challenge: Uint8Array } }) => {
      const made = assertion(Buffer.from(publicKey.challenge).toString('base64url'));
      const { clientDataJSON, authenticatorData, signature } = made;
      return Promise.resolve({
        type: 'public-key',
        id: stamp.credentialId,
        rawId: Buffer.from('credential'),
        getClientExtensionResults: () => ({}),
        response: { clientDataJSON, authenticatorData, signature, userHandle: null },
      });
    };
    Object.defineProperty(globalThis, 'navigator', { configurable: true, value: { credentials: { get } } });
    Object.defineProperty(globalThis, 'window', { configurable: true, value: { PublicKeyCredential: get } });

    browserInit({ baseUrl: 'https://upstream.invalid' });
    const request = await TurnkeyApi.signGetWhoami({ body: { organizationId: 'é' } });
    const header = relayClientStamp(
      { stampHeaderName: 'X-Stamp-WebAuthn', stampHeaderValue: request.stamp },
      request.body,
    );
    expect(header).toHaveProperty('X-Stamp-Webauthn');
    expect(Object.values(header).map((value) => JSON.parse(value as string))).toEqual([
      JSON.parse(request.stamp),
    ]);
  });
});

it.each(['X-Stamp-Attested', '', 'Authorization'])('relays no header %j', (stampHeaderName) => {
  expect(() => relayClientStamp({ stampHeaderName, stampHeaderValue: JSON.stringify(stamp) }, body)).toThrow(
    expect.objectContaining({ proof: 'client stamp', reason: 'malformed' }),
  );
});
