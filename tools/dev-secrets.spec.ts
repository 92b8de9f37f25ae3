import { createECDH } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { loadDevSecrets, publicKeyOf } from './dev-secrets.js';

describe('loadDevSecrets', () => {
  let folder: string;
  let file: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'dev-secrets-'));
    file = join(folder, 'dev.json');
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  it('makes the secrets once, in a file that only the owner can read', () => {
    const secrets = loadDevSecrets(file);
    expect(loadDevSecrets(file)).toEqual(secrets);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(Buffer.from(secrets.sealingKeys.split(':')[1]!, 'base64')).toHaveLength(32);
  });

  it('adds secrets that an older file lacks, and keeps the other secrets', () => {
    const { databasePassword, ...older } = loadDevSecrets(file);
    writeFileSync(file, JSON.stringify(older));
    const renewed = loadDevSecrets(file);
    expect(renewed).toMatchObject(older);
    expect(renewed.databasePassword).not.toBe(databasePassword);
    expect(JSON.parse(readFileSync(file, 'utf8'))).toEqual(renewed);
  });

  it('does not overwrite a file that it cannot parse', () => {
    writeFileSync(file, '{"apiKey": "gw_');
    expect(() => loadDevSecrets(file)).toThrow(/dev\.json is not JSON/);
    expect(readFileSync(file, 'utf8')).toBe('{"apiKey": "gw_');
  });
});

describe('publicKeyOf', () => {
  it('derives the compressed point from a private key with or without 0x', () => {
    const pair = createECDH('prime256v1');
    pair.generateKeys();
    const hex = pair.getPrivateKey('hex').padStart(64, '0');
    const expected = `0x${pair.getPublicKey('hex', 'compressed')}`;
    expect(publicKeyOf(hex)).toBe(expected);
    expect(publicKeyOf(`0x${hex}`)).toBe(expected);
  });

  it.each(['', '00'.repeat(32), 'ff'.repeat(32), '-----BEGIN PRIVATE KEY-----'])(
    'finds no key in "%s"',
    (text) => {
      expect(publicKeyOf(text)).toBeUndefined();
    },
  );
});
