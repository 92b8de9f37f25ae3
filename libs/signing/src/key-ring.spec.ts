import { inspect } from 'node:util';
import { Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Secret } from '#libs/kernel';
import { bytesOf, vectors } from './fixtures/vectors.js';
import { assertEnginesAgree, KeyRing, openKeyRing, SIGNING_ENGINES, type KeyEntry } from './key-ring.js';
import { nobleEngine } from './noble-engine.js';
import { opensslEngine } from './openssl-engine.js';
import { parsePrivateKey } from './private-key.js';
import type { EngineKey } from './signing-engine.js';
import { SigningModule } from './signing.module.js';

const entry = (name: string, hex: string): KeyEntry => ({
  name,
  material: new Secret(hex),
  source: `INTEGRATION_${name.toUpperCase()}_PRIVATE_KEY`,
});
const acme = entry('acme', vectors.privateKeyHex);
const other = entry('other', '05'.repeat(32));

describe.each(SIGNING_ENGINES)('key ring on %s', (engine) => {
  let ring: KeyRing;
  beforeAll(async () => {
    ring = await openKeyRing({ engine, keys: [acme, other] });
  });

  it('gives each name its own key', () => {
    expect(`0x${ring.key('acme').publicKeyCompressedHex}`).toBe(vectors.xPubkey);
    expect(ring.key('other').publicKeyCompressedHex).not.toBe(ring.key('acme').publicKeyCompressedHex);
  });

  it('signs DER by default and raw when asked', async () => {
    const message = Buffer.from('message');
    const checker = nobleEngine.load(parsePrivateKey(vectors.privateKeyHex, 'the vectors'));
    const key = ring.key('acme');
    expect(checker.verify(message, await key.sign(message), 'der')).toBe(true);
    const raw = await key.sign(message, 'raw');
    expect(raw).toHaveLength(64);
    expect(checker.verify(message, raw, 'raw')).toBe(true);
  });

  it('shows no private key, however deep one looks', () => {
    const shown = inspect([ring, ring.key('acme')], { depth: 9, showHidden: true }) + JSON.stringify(ring);
    expect(shown).not.toContain('0101');
    expect(shown).not.toContain('1, 1, 1');
  });
});

it('signs with the engine asked for: only noble repeats itself', async () => {
  const signature = async (engine: 'noble' | 'openssl') => {
    const ring = await openKeyRing({ engine, keys: [acme] });
    return Buffer.from(await ring.key('acme').sign(Buffer.from(vectors.cases[0]!.message)));
  };
  const rfc6979 = bytesOf(vectors.cases[0]!.signatureDerRfc6979);
  expect((await signature('noble')).equals(rfc6979)).toBe(true);
  expect((await signature('openssl')).equals(rfc6979)).toBe(false);
});

it('names the keys there are when asked for another', async () => {
  const ring = await openKeyRing({ engine: 'openssl', keys: [acme, other] });
  expect(() => ring.key('nobody')).toThrow('no signing key named "nobody"; there are: acme, other');
});

it('refuses one name for two keys', async () => {
  await expect(openKeyRing({ engine: 'openssl', keys: [acme, acme] })).rejects.toThrow(
    /two signing keys are named "acme"/,
  );
});

describe('the boot check', () => {
  const key = parsePrivateKey(vectors.privateKeyHex, acme.source);
  const good = { openssl: opensslEngine.load(key), noble: nobleEngine.load(key) };
  const corrupt: EngineKey['sign'] = (message, encoding) => {
    const signature = Uint8Array.from(good.noble.sign(message, encoding));
    signature[signature.length - 1]! ^= 1;
    return signature;
  };

  it.each([
    [
      'noble signs wrongly',
      { ...good, noble: { ...good.noble, sign: corrupt } },
      /openssl refuses what noble/,
    ],
    [
      'openssl signs wrongly',
      { ...good, openssl: { ...good.openssl, sign: corrupt } },
      /noble refuses what openssl/,
    ],
    [
      'openssl signs raw where DER was asked',
      { ...good, openssl: { ...good.openssl, sign: (m: Uint8Array) => good.openssl.sign(m, 'raw') } },
      /noble refuses what openssl signed \(der\)/,
    ],
    [
      'an engine refuses everything',
      { ...good, noble: { ...good.noble, verify: () => false } },
      /noble refuses/,
    ],
  ])('stops where %s', (_, engines, message) => {
    expect(() => assertEnginesAgree(engines, key, acme.source)).toThrow(message);
    expect(() => assertEnginesAgree(engines, key, acme.source)).toThrow(acme.source);
  });

  it('is made for every key that a ring opens', async () => {
    const load = jest.spyOn(nobleEngine, 'load').mockReturnValueOnce({ ...good.noble, sign: corrupt });
    try {
      await expect(openKeyRing({ engine: 'openssl', keys: [acme] })).rejects.toThrow(
        /engines disagree.*ACME_PRIVATE_KEY/,
      );
    } finally {
      load.mockRestore();
    }
  });

  it('passes where all is well', () => {
    expect(() => assertEnginesAgree(good, key, acme.source)).not.toThrow();
  });
});

describe('SigningModule', () => {
  it('provides the key ring, from options or from an injected configuration', async () => {
    @Module({
      providers: [{ provide: 'CONFIG', useValue: { engine: 'noble' as const } }],
      exports: ['CONFIG'],
    })
    class ConfigModule {}

    const plain = SigningModule.forRoot({ engine: 'openssl', keys: [acme] });
    const injected = SigningModule.forRootAsync({
      imports: [ConfigModule],
      inject: ['CONFIG'],
      useFactory: ({ engine }: { engine: 'noble' }) => ({ engine, keys: [acme] }),
    });
    for (const module of [plain, injected]) {
      const app = await Test.createTestingModule({ imports: [module] }).compile();
      expect(`0x${app.get(KeyRing).key('acme').publicKeyCompressedHex}`).toBe(vectors.xPubkey);
    }
  });

  it('stops the boot over a bad key, with the name of its variable', async () => {
    const bad = entry('acme', 'ff'.repeat(32));
    const boot = Test.createTestingModule({
      imports: [SigningModule.forRoot({ engine: 'openssl', keys: [bad] })],
    }).compile();
    await expect(boot).rejects.toThrow(/INTEGRATION_ACME_PRIVATE_KEY .* not below the order n/);
  });
});
