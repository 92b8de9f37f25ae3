import { X509Certificate, createECDH } from 'node:crypto';
import { createServer } from 'node:tls';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { ContractFinding } from '#libs/upstream';
import { run } from '../../../apps/cli/src/run.js';
import { authority, certificate, keyPair } from '../../passkeys/certificates.js';
import { Story } from '../../support/story.js';
import { throughDoor } from '../../support/turnkey-door.js';

const second = createECDH('prime256v1');
second.generateKeys();
const SECOND = { INTEGRATION_BYZANTINE_SECOND_PRIVATE_KEY: second.getPrivateKey('hex').padStart(64, '0') };

let story: Story;
beforeAll(async () => {
  story = await Story.begin({
    service: false,
    worker: false,
    env: (sandbox) => ({
      ...throughDoor('turnkey')(sandbox),
      ...throughDoor('turnkey-auth-proxy')(sandbox),
      INTEGRATIONS: 'byzantine,turnkey,turnkey-auth-proxy',
    }),
  });
});
afterEach(() => story.sandbox.control.removeFaults());
afterAll(() => story.end());

async function check(args: string[] = [], env: Record<string, string> = {}) {
  const said = { out: '', err: '' };
  const code = await run(
    ['contract-check', ...args],
    { ...story.env, ...env },
    {
      out: (text) => (said.out += text),
      err: (text) => (said.err += text),
    },
  );
  return { code, ...said };
}

async function findings(args: string[] = [], env: Record<string, string> = {}) {
  const { code, out, err } = await check([...args, '--json'], env);
  expect(err).toBe('');
  return { code, items: (JSON.parse(out) as { items: ContractFinding[] }).items };
}

describe('gangway contract-check', () => {
  it('probes each integration, sends no mail, changes nothing and needs no database', async () => {
    const { code, items } = await findings([], { DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none' });
    expect(code).toBe(0);
    const fine = {
      ok: true,
      reachable: true,
      status: 200,
      class: 'ok',
      detail: null,
      unknownText: null,
      certificates: [],
      latencyMs: expect.any(Number),
      clockApartMs: 0,
    };
    const key = expect.stringMatching(/^[0-9a-f]{16}$/);
    expect(items).toEqual([
      { ...fine, integration: 'byzantine', provider: 'byzantine', key, keyAccepted: true },
      { ...fine, integration: 'turnkey', provider: 'turnkey', key, keyAccepted: true },
      {
        ...fine,
        integration: 'turnkey-auth-proxy',
        provider: 'turnkey-auth-proxy',
        key: null,
        keyAccepted: null,
      },
    ]);
    const requests = story.sandbox.control.requests();
    expect(requests.map(({ route }) => route)).toEqual(['whoami', 'whoami', 'wallet_kit_config']);
    expect(requests.map(({ effect }) => effect)).toEqual([null, null, null]);
    expect((await check()).out).toMatch(/^ok {3}byzantine \(byzantine\)\n {5}reachable, status 200/);
  });

  it('reports each key, so that a new key can be tested before it signs', async () => {
    const { code, items } = await findings(['byzantine'], SECOND);
    expect(code).toBe(1);
    expect(items).toMatchObject([
      { ok: true, keyAccepted: true },
      { ok: false, keyAccepted: false, status: 401, class: 'misconfigured' },
    ]);
    const { out } = await check(['byzantine'], SECOND);
    expect(out).toMatch(/key 1 of 2, [0-9a-f]{16}: accepted[^]+key 2 of 2, [0-9a-f]{16}: refused/);
    const { pubkey } = story.sandbox.credential!;
    story.sandbox.control.registerKeys([pubkey, `0x${second.getPublicKey('hex', 'compressed')}`]);
    expect(await findings(['byzantine'], SECOND)).toMatchObject({
      code: 0,
      items: [{ keyAccepted: true }, { keyAccepted: true }],
    });
  });

  it.each([
    [{ status: 503 }, { reachable: true, status: 503, keyAccepted: null, class: 'unavailable' }],
    [{ cut: 'before' }, { reachable: false, status: null, keyAccepted: null, class: 'no_answer' }],
    [
      { status: 403, body: { error: 'ana@example.com owes us 12000' } },
      { status: 403, keyAccepted: false, unknownText: '<email> owes us <number>' },
    ],
    [
      { status: 403, body: { error: 'credential is read-only' } },
      { status: 403, keyAccepted: false, unknownText: null, detail: 'upstream answered 403' },
    ],
  ])('reports what the provider’s answer %j shows', async (fault, expected) => {
    story.sandbox.control.addFault({ route: 'whoami', ...fault } as never);
    const { code, items } = await findings(['byzantine']);
    expect(code).toBe(1);
    expect(items).toMatchObject([{ ok: false, ...expected }]);
  });

  it('reports that the provider’s clock differs from ours', async () => {
    story.sandbox.control.advanceClock(45_000);
    try {
      const { code, items } = await findings(['byzantine']);
      expect(code).toBe(1);
      expect(items).toMatchObject([{ ok: false, keyAccepted: true, class: 'misconfigured' }]);
      expect(items[0]!.clockApartMs).toBeGreaterThan(40_000);
    } finally {
      story.sandbox.control.advanceClock(-45_000);
    }
  });

  it('reads when a TLS certificate expires, even if the certificate is not trusted', async () => {
    const { publicKey, privateKey } = keyPair();
    const cert = new X509Certificate(certificate({ publicKey, issuer: authority(), validFor: 3 }));
    const key = String(privateKey.export({ type: 'pkcs8', format: 'pem' }));
    const server = createServer({ cert: cert.toString(), key }).on('tlsClientError', () => undefined);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    try {
      const { code, items } = await findings(['byzantine'], { INTEGRATION_BYZANTINE_BASE_URL: address });
      expect(code).toBe(1);
      const certificates = [{ address, validUntil: new Date(cert.validTo).toISOString() }];
      expect(items).toMatchObject([{ reachable: false, class: 'not_sent', certificates }]);
    } finally {
      server.close();
    }
  });

  it('names a key that it cannot load, and still probes the other integrations', async () => {
    const env = { INTEGRATION_BYZANTINE_PRIVATE_KEY: 'short' };
    const { code, items } = await findings([], env);
    expect(code).toBe(1);
    expect(items).toMatchObject([
      { integration: 'byzantine', ok: false, class: 'key_unusable' },
      { integration: 'turnkey', ok: true },
      { integration: 'turnkey-auth-proxy', ok: true },
    ]);
    expect(items[0]!.detail).toContain('INTEGRATION_BYZANTINE_PRIVATE_KEY');
    expect((await check(['byzantine'], env)).out).toMatch(
      /^BAD {2}byzantine \(byzantine\)\n {5}key not opened, .*INTEGRATION_BYZANTINE_PRIVATE_KEY/,
    );
  });

  it('names an integration that is not configured', async () => {
    expect(await check(['byzantin'])).toMatchObject({
      code: 2,
      err: expect.stringContaining(
        'there is no integration "byzantin". INTEGRATIONS has: byzantine, turnkey',
      ),
    });
  });
});
