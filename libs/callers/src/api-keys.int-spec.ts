import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { PreparedStatements, createDataSource } from '#libs/database';
import { KeyedHash } from '#libs/platform';
import { testDatabaseUrl } from '#libs/testing';
import { ApiKeys, type NewApiKey } from './api-keys.js';
import { Audit } from './audit.js';

const WHO = { actor: 'cli:test', address: '192.0.2.1' };
const HOUR_MS = 3_600_000;

let dataSource: DataSource;
let keys: ApiKeys;
let audit: Audit;
const changed: string[] = [];
beforeAll(async () => {
  Logger.overrideLogger(false);
  dataSource = await createDataSource({ url: await testDatabaseUrl(), poolSize: 4 }).initialize();
  const statements = new PreparedStatements(dataSource);
  audit = new Audit(statements);
  keys = new ApiKeys(statements, new KeyedHash(Buffer.alloc(32, 9)), audit);
  keys.whenChanged((id) => changed.push(id));
});
afterAll(() => dataSource.destroy());

const wanted = (more: Partial<NewApiKey> = {}): NewApiKey => ({
  caller: 'shop',
  scopes: ['onboardings:read'],
  integrations: null,
  name: null,
  lifeMs: null,
  ...more,
});
const make = async (more: Partial<NewApiKey> = {}) => (await keys.create(wanted(more), WHO)).key;
const find = async (id: string) => (await keys.list()).find((key) => key.id === id)!;
const end = (id: string) =>
  dataSource.query(`UPDATE api_keys SET expires_at = clock_timestamp() WHERE id = $1`, [id]);

describe('a new API key', () => {
  it('has each requested scope once, and is audited', async () => {
    const { key, token } = await keys.create(
      wanted({
        scopes: ['admin', 'onboardings:read', 'admin'],
        name: 'till 3',
        lifeMs: HOUR_MS,
      }),
      WHO,
    );
    expect(token.reveal()).toMatch(new RegExp(`^gw_${key.id}_[A-Za-z0-9_-]{43}$`));
    expect(key).toMatchObject({
      caller: 'shop',
      name: 'till 3',
      scopes: ['admin', 'onboardings:read'],
      integrations: null,
      state: 'active',
      createdBy: 'cli:test',
      lastUsedAt: null,
      revokedAt: null,
      rotatedTo: null,
    });
    expect(key.expiresAt!.getTime() - key.createdAt.getTime()).toBeCloseTo(HOUR_MS, -3);
    const [event] = await audit.latest(1);
    expect(event).toMatchObject({
      ...WHO,
      action: 'api_key_created',
      target: key.id,
      data: { caller: 'shop' },
    });
  });

  it('is stored only as a keyed hash', async () => {
    const { key, token } = await keys.create(wanted(), WHO);
    const secret = token.reveal().slice(-43);
    const [row] = await dataSource.query(
      'SELECT k::text AS text, secret_hash AS hash FROM api_keys k WHERE id = $1',
      [key.id],
    );
    expect(row.text).not.toContain(Buffer.from(secret, 'base64url').toString('hex'));
    expect(row.hash).toHaveLength(32);
    expect(JSON.stringify(key)).not.toContain('hash');
  });

  it('can be restricted to integrations, and lists each integration once', async () => {
    expect(await make({ integrations: ['b', 'a', 'b'] })).toMatchObject({ integrations: ['b', 'a'] });
  });

  it.each<[string, Partial<NewApiKey>, string[]]>([
    ['a caller with capitals', { caller: 'Shop' }, ['/caller']],
    ['a caller of 65 characters', { caller: 'a'.repeat(65) }, ['/caller']],
    ['a caller without a name', { caller: '' }, ['/caller']],
    ['no scope', { scopes: [] }, ['/scopes']],
    ['no integration', { integrations: [] }, ['/integrations']],
    ['an impossible name of an integration', { integrations: ['byzantine', 'No!'] }, ['/integrations']],
    ['the scope admin and a restriction', { scopes: ['admin'], integrations: ['a'] }, ['/integrations']],
    ['several faults', { caller: '', scopes: [] }, ['/caller', '/scopes']],
  ])('is not made with %s', async (_, more, pointers) => {
    const before = (await keys.list()).length;
    const error = await keys.create(wanted(more), WHO).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: 'validation_failed',
      errors: pointers.map((pointer) => ({ pointer })),
    });
    expect(await keys.list()).toHaveLength(before);
  });
});

describe('the list of API keys', () => {
  it('shows the newest keys first, for all callers or for one caller', async () => {
    const [first, second] = [await make({ caller: 'lister' }), await make({ caller: 'lister' })];
    await make({ caller: 'another' });
    expect((await keys.list('lister')).map(({ id }) => id)).toEqual([second.id, first.id]);
    expect((await keys.list()).map(({ caller }) => caller)).toEqual(
      expect.arrayContaining(['lister', 'another']),
    );
    expect(await keys.list('nothing')).toEqual([]);
  });
});

describe('the rotation of an API key', () => {
  it('makes a key with the same rights and lifetime; the old key stays valid for the overlap', async () => {
    const old = await make({ name: 'till', integrations: ['a'], lifeMs: HOUR_MS });
    const { key, token } = await keys.rotate(old.id, 60_000, WHO);
    expect(token.reveal()).toContain(`gw_${key.id}_`);
    expect(key).toMatchObject({ caller: 'shop', name: 'till', integrations: ['a'], scopes: old.scopes });
    expect(key.expiresAt!.getTime() - key.createdAt.getTime()).toBeCloseTo(HOUR_MS, -3);
    const after = await find(old.id);
    expect(after).toMatchObject({ state: 'active', rotatedTo: key.id, revokedAt: null });
    expect(after.expiresAt!.getTime() - key.createdAt.getTime()).toBeCloseTo(60_000, -3);
    expect(changed.at(-1)).toBe(old.id);
    const [event] = await audit.latest(1);
    expect(event).toMatchObject({
      action: 'api_key_rotated',
      target: old.id,
      data: { to: key.id, overlapMs: 60_000 },
    });
  });

  it('does not extend the lifetime of the old key', async () => {
    const old = await make({ lifeMs: 60_000 });
    await keys.rotate(old.id, HOUR_MS, WHO);
    expect((await find(old.id)).expiresAt).toEqual(old.expiresAt);
  });

  it('ends the old key immediately if there is no overlap', async () => {
    const old = await make();
    await keys.rotate(old.id, 0, WHO);
    expect(await find(old.id)).toMatchObject({ state: 'revoked' });
  });

  it('succeeds once if several rotations are requested at the same time', async () => {
    const old = await make({ caller: 'twice' });
    const ends = await Promise.allSettled(Array.from({ length: 6 }, () => keys.rotate(old.id, 0, WHO)));
    expect(ends.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(await keys.list('twice')).toHaveLength(2);
  });

  it('is refused for a key that has ended or was rotated, and the error says why', async () => {
    const [revoked, expired, rotated] = [await make(), await make(), await make()];
    await keys.revoke(revoked.id, WHO);
    await end(expired.id);
    const { key } = await keys.rotate(rotated.id, HOUR_MS, WHO);
    for (const [id, why] of [
      [revoked.id, 'is revoked'],
      [expired.id, 'is expired'],
      [rotated.id, `was rotated to ${key.id}`],
    ]) {
      await expect(keys.rotate(id!, 0, WHO)).rejects.toMatchObject({
        code: 'illegal_state',
        message: `API key ${id} ${why}.`,
      });
    }
  });

  it('is refused for an unknown key', async () => {
    await expect(keys.rotate('0'.repeat(20), 0, WHO)).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('the revocation of an API key', () => {
  it('ends the key immediately, is audited, and notifies the listeners in this process', async () => {
    const { id } = await make();
    expect(await keys.revoke(id, WHO)).toMatchObject({ id, state: 'revoked' });
    expect(changed.at(-1)).toBe(id);
    expect((await audit.latest(1))[0]).toMatchObject({ action: 'api_key_revoked', target: id });
  });

  it('does nothing the second time, and gives the same answer', async () => {
    const { id } = await make();
    const { revokedAt } = await keys.revoke(id, WHO);
    const [before] = await audit.latest(1);
    expect(await keys.revoke(id, WHO)).toMatchObject({ state: 'revoked', revokedAt });
    expect((await audit.latest(1))[0]).toEqual(before);
  });

  it('is refused for an unknown key', async () => {
    await expect(keys.revoke('0'.repeat(20), WHO)).rejects.toMatchObject({ code: 'not_found' });
  });
});
