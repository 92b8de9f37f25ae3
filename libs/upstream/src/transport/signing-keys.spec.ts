import { describe, expect, it } from '@jest/globals';
import { Secret } from '#libs/kernel';
import { SignerError, parsePrivateKey, type RequestSigner } from '#libs/signing';
import { endOf } from '../fixtures/end-of.js';
import type { HttpAnswer } from './http-client.js';
import { SigningKeys, fingerprintOf, type KeyChange } from './signing-keys.js';
import { UpstreamError, type FailureClass } from '../port/upstream-error.js';

const signerOf = (byte: string) => parsePrivateKey(new Secret(byte.repeat(32)), 'SPEC');
const first = signerOf('01');
const second = signerOf('02');
const nameOf = ({ publicKeyCompressedHex }: RequestSigner) =>
  publicKeyCompressedHex === first.publicKeyCompressedHex ? 'first' : 'second';

const evidence = { bytesSent: true, headersSeen: true, status: 200, durationMs: 1 };
const answer = (status: number, text = ''): HttpAnswer => ({
  status,
  headers: {},
  text,
  evidence,
  sentAt: { wallMs: 0, monotonicMs: 0 },
  headAt: { wallMs: 0, monotonicMs: 0 },
});
const lost = (failure: FailureClass) => new UpstreamError(failure, { detail: failure, evidence });

/** For each key: the status or failure of a request signed with it. */
type Upstream = Record<string, number | UpstreamError>;

function aSending(upstream: Upstream, leftMs = 1_000) {
  const sent: string[] = [];
  const sending = {
    leftMs: () => leftMs,
    refusesKey: ({ status }: HttpAnswer) => status === 401,
    send: async (sign: Parameters<Parameters<SigningKeys['send']>[0]['send']>[0]) => {
      const name = await sign(async (signer, timeoutMs) => {
        await signer.sign(Buffer.from('x'), 'der', timeoutMs);
        return nameOf(signer);
      });
      sent.push(name);
      const end = upstream[name]!;
      if (end instanceof UpstreamError) throw end;
      return answer(end, name);
    },
  };
  return { sent, sending };
}

describe('an integration with two keys', () => {
  it('tries its keys in order, and uses the working key first afterwards', async () => {
    const changes: KeyChange[] = [];
    const keys = new SigningKeys([first, second], { changed: (change) => changes.push(change) });
    const upstream: Upstream = { first: 401, second: 200 };
    const { sent, sending } = aSending(upstream);
    for (let n = 0; n < 3; n++) expect((await keys.send(sending)).status).toBe(200);
    expect(sent).toEqual(['first', 'second', 'second', 'second']);
    expect(keys.inUse).toBe(2);
    expect(changes).toEqual([{ from: fingerprintOf(first), to: fingerprintOf(second) }]);

    Object.assign(upstream, { first: 200, second: 401 });
    expect((await keys.send(sending)).status).toBe(200);
    expect(keys.inUse).toBe(1);
    expect(changes).toHaveLength(2);
  });

  it('uses each key once if both are refused, and returns the first answer', async () => {
    const keys = new SigningKeys([first, second]);
    const { sent, sending } = aSending({ first: 401, second: 401 });
    expect(await keys.send(sending)).toEqual(answer(401, 'first'));
    expect(sent).toEqual(['first', 'second']);
    expect(keys.inUse).toBe(1);
  });

  it.each([200, 302, 400, 403, 404, 408, 409, 418, 422, 429, 500, 502, 503])(
    'does not try the second key if the first request gets %d',
    async (status) => {
      const { sent, sending } = aSending({ first: status, second: 200 });
      expect((await new SigningKeys([first, second]).send(sending)).status).toBe(status);
      expect(sent).toEqual(['first']);
    },
  );

  it.each<FailureClass>(['no_answer', 'not_sent', 'unavailable'])(
    'does not try the second key if the first request ends with the failure %s',
    async (failure) => {
      const { sent, sending } = aSending({ first: lost(failure), second: 200 });
      expect(await endOf(new SigningKeys([first, second]).send(sending))).toMatchObject({ failure });
      expect(sent).toEqual(['first']);
    },
  );

  it.each([400, 404, 429, 500])(
    'keeps the order of its keys if the second request gets %d',
    async (status) => {
      const keys = new SigningKeys([first, second]);
      const { sending } = aSending({ first: 401, second: status });
      expect((await keys.send(sending)).status).toBe(status);
      expect(keys.inUse).toBe(1);
    },
  );

  it('reports no_answer if the second request is cut off, and sends no third request', async () => {
    const { sent, sending } = aSending({ first: 401, second: lost('no_answer') });
    expect(await endOf(new SigningKeys([first, second]).send(sending))).toMatchObject({
      failure: 'no_answer',
    });
    expect(sent).toEqual(['first', 'second']);
  });

  it('does not try the second key if no time is left', async () => {
    const { sent, sending } = aSending({ first: 401, second: 200 }, 0);
    expect((await new SigningKeys([first, second]).send(sending)).status).toBe(401);
    expect(sent).toEqual(['first']);
  });
});

describe('an integration with one key', () => {
  it('does not try this key twice', async () => {
    const { sent, sending } = aSending({ first: 401 });
    expect((await new SigningKeys([first]).send(sending)).status).toBe(401);
    expect(sent).toEqual(['first']);
  });
});

describe('a signer', () => {
  const failing = (failure: 'unavailable' | 'refused'): RequestSigner => ({
    ...first,
    sign: () => Promise.reject(new SignerError(failure, `it is ${failure}`)),
  });

  it.each([
    ['unavailable', 'not_sent'],
    ['refused', 'misconfigured'],
  ] as const)('that does not sign, because it is %s, makes the attempt end in %s', async (why, failure) => {
    const { sent, sending } = aSending({ first: 200 });
    const keys = new SigningKeys([failing(why)]);
    expect(await endOf(keys.send(sending))).toMatchObject({
      failure,
      message: `it is ${why}`,
      evidence: { bytesSent: false },
    });
    expect(sent).toEqual([]);
    expect(keys.trouble?.failure).toBe(why);
  });

  it('that refuses is replaced by the other key’s signer, but one that is unavailable is not', async () => {
    const refused = aSending({ second: 200 });
    expect((await new SigningKeys([failing('refused'), second]).send(refused.sending)).status).toBe(200);
    expect(refused.sent).toEqual(['second']);
    const away = aSending({ second: 200 });
    expect(await endOf(new SigningKeys([failing('unavailable'), second]).send(away.sending))).toMatchObject({
      failure: 'not_sent',
    });
    expect(away.sent).toEqual([]);
  });

  it('that fails is reported until it signs again', async () => {
    let works = false;
    const signer: RequestSigner = {
      ...first,
      sign: (message) => (works ? first.sign(message) : failing('unavailable').sign(message)),
    };
    const keys = new SigningKeys([signer]);
    await endOf(keys.send(aSending({ first: 200 }).sending));
    expect(keys.trouble).not.toBeNull();
    works = true;
    await keys.send(aSending({ first: 200 }).sending);
    expect(keys.trouble).toBeNull();
  });

  it('gets the time that is left for the call, but at most signatureTimeoutMs', async () => {
    const given: number[] = [];
    const signer: RequestSigner = {
      ...first,
      sign: (message, encoding, timeoutMs) => {
        given.push(timeoutMs!);
        return first.sign(message, encoding);
      },
    };
    const keys = new SigningKeys([signer], { signatureTimeoutMs: 500 });
    await keys.send(aSending({ first: 200 }, 1_000).sending);
    await keys.send(aSending({ first: 200 }, 300).sending);
    expect(given).toEqual([500, 300]);
  });
});
