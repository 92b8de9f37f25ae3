import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { PreparedStatements, createDataSource } from '#libs/database';
import { Secret, type Clock } from '#libs/kernel';
import { KeyedHash } from '#libs/platform';
import { testConfig, testDatabaseUrl, until } from '#libs/testing';
import { ApiKeyLogin } from './api-key-login.js';
import { LOAD_KEY, NOTE_USE } from './api-key-statements.js';
import { parseApiKeyToken, type ApiKeyToken } from './api-key-token.js';
import { ApiKeys, type NewApiKey } from './api-keys.js';
import { Audit } from './audit.js';

const WHO = { actor: 'cli:test', address: null };
const CACHE_MS = 5_000;

let dataSource: DataSource;
let statements: PreparedStatements;
beforeAll(async () => {
  Logger.overrideLogger(false);
  dataSource = await createDataSource({ url: await testDatabaseUrl(), poolSize: 4 }).initialize();
  statements = new PreparedStatements(dataSource);
});
afterAll(() => dataSource.destroy());

/** A process with its own cache. Its clock moves only when the test moves it. */
function aProcess(of = statements) {
  let nowMs = 0;
  const clock: Clock = { nowMs: () => nowMs, monotonicMs: () => nowMs };
  const hash = new KeyedHash(Buffer.alloc(32, 9));
  const keys = new ApiKeys(of, hash, new Audit(of));
  const config = testConfig({ API_KEY_CACHE_MS: String(CACHE_MS) });
  const login = new ApiKeyLogin(of, hash, config, clock, keys);
  return { keys, login, pass: (ms: number) => (nowMs += ms) };
}

async function aToken(keys: ApiKeys, more: Partial<NewApiKey> = {}): Promise<ApiKeyToken> {
  const rights: NewApiKey = {
    caller: 'shop',
    scopes: ['admin'],
    integrations: null,
    name: null,
    lifeMs: null,
  };
  return parseApiKeyToken((await keys.create({ ...rights, ...more }, WHO)).token.reveal())!;
}

/** @returns how often a statement runs during the work; by default, the statement that reads a key */
async function sentDuring(work: () => Promise<unknown>, { name } = LOAD_KEY): Promise<number> {
  const run = jest.spyOn(statements, 'run');
  await work();
  const sent = run.mock.calls.filter(([statement]) => statement.name === name).length;
  run.mockRestore();
  return sent;
}
const readsDuring = (work: () => Promise<unknown>) => sentDuring(work);
const lastUse = async (id: string): Promise<Date | null> => {
  const [row] = await dataSource.query('SELECT last_used_at AS at FROM api_keys WHERE id = $1', [id]);
  return row.at;
};

describe('the login with an API key', () => {
  it('reads the key once per cache lifetime, even for many simultaneous requests', async () => {
    const { keys, login, pass } = aProcess();
    const token = await aToken(keys);
    const ask = () => Promise.all(Array.from({ length: 50 }, () => login.login(token)));
    expect(await readsDuring(ask)).toBe(1);
    pass(CACHE_MS - 1);
    expect(await readsDuring(ask)).toBe(0);
    pass(1);
    expect(await readsDuring(ask)).toBe(1);
  });

  it('fails after a revocation: at once in this process, in others after the cache lifetime', async () => {
    const here = aProcess();
    const elsewhere = aProcess();
    const token = await aToken(here.keys);
    expect(await here.login.login(token)).toMatchObject({ name: 'shop' });
    expect(await elsewhere.login.login(token)).toMatchObject({ name: 'shop' });
    await here.keys.revoke(token.id, WHO);
    expect(await here.login.login(token)).toBeNull();
    expect(await elsewhere.login.login(token)).not.toBeNull();
    elsewhere.pass(CACHE_MS);
    expect(await elsewhere.login.login(token)).toBeNull();
  });

  it('does not cache a key that is revoked while it is read', async () => {
    const { keys, login } = aProcess();
    const token = await aToken(keys);
    const another = new PreparedStatements(dataSource);
    const run = jest.spyOn(statements, 'run');
    let revoked: Promise<unknown> | undefined;
    run.mockImplementation(async (statement, values) => {
      const rows = await another.run(statement, values);
      // Revoke the key between the read and its answer.
      if (statement.name === LOAD_KEY.name) await (revoked ??= keys.revoke(token.id, WHO));
      return rows as never;
    });
    await login.login(token);
    run.mockRestore();
    expect(await login.login(token)).toBeNull();
  });

  it('looks up an unknown key each time, and keeps it out of the cache', async () => {
    const { keys, login } = aProcess();
    const token = await aToken(keys);
    await login.login(token);
    const unknown = { ...token, id: '0'.repeat(20) };
    expect(await readsDuring(async () => expect(await login.login(unknown)).toBeNull())).toBe(1);
    expect(await readsDuring(async () => expect(await login.login(unknown)).toBeNull())).toBe(1);
    expect(await readsDuring(() => login.login(token))).toBe(0);
  });

  it('succeeds only with the secret of the key, even if the key is cached', async () => {
    const { keys, login } = aProcess();
    const token = await aToken(keys);
    const other = { id: token.id, secret: new Secret('A'.repeat(43)) };
    expect(await login.login(other)).toBeNull();
    expect(await login.login(token)).not.toBeNull();
    expect(await login.login(other)).toBeNull();
  });

  it('gives the caller only the scopes that this version of Gangway knows', async () => {
    const { keys, login } = aProcess();
    const token = await aToken(keys, { scopes: ['onboardings:read'], integrations: ['byzantine'] });
    await dataSource.query(`UPDATE api_keys SET scopes = scopes || '{of:tomorrow}' WHERE id = $1`, [
      token.id,
    ]);
    expect(await login.login(token)).toEqual({
      name: 'shop',
      scopes: new Set(['onboardings:read']),
      integrations: new Set(['byzantine']),
    });
  });

  it('does not cache a key beyond its expiry', async () => {
    const { keys, login, pass } = aProcess();
    const token = await aToken(keys, { lifeMs: 2_000 });
    expect(await readsDuring(() => login.login(token))).toBe(1);
    await dataSource.query('UPDATE api_keys SET expires_at = clock_timestamp() WHERE id = $1', [token.id]);
    pass(2_000);
    expect(await login.login(token)).toBeNull();
  });

  it('records the use of a key once a minute, not with every request', async () => {
    const { keys, login, pass } = aProcess();
    const token = await aToken(keys);
    const notes = (work: () => Promise<unknown>) => sentDuring(work, NOTE_USE);
    expect(await notes(() => Promise.all([login.login(token), login.login(token)]))).toBe(1);
    const first = await until('its use is noted', () => lastUse(token.id));
    pass(CACHE_MS);
    expect(await notes(() => login.login(token))).toBe(0);
    await dataSource.query(
      `UPDATE api_keys SET last_used_at = last_used_at - interval '1 minute' WHERE id = $1`,
      [token.id],
    );
    pass(CACHE_MS);
    expect(await notes(() => login.login(token))).toBe(1);
    await until('its use is noted again', async () => (await lastUse(token.id))! > first);
  });

  it('remembers for ten minutes that a key was valid, or until the key is revoked', async () => {
    const { keys, login, pass } = aProcess();
    const [token, other] = [await aToken(keys), await aToken(keys)];
    const isFamiliar = () => [login.isFamiliar(token), login.isFamiliar(other)];
    expect(isFamiliar()).toEqual([false, false]);
    await login.login({ ...token, secret: new Secret('A'.repeat(43)) });
    expect(isFamiliar()).toEqual([false, false]);
    await login.login(token);
    await login.login(other);
    pass(599_999);
    expect(isFamiliar()).toEqual([true, true]);
    await keys.revoke(other.id, WHO);
    expect(isFamiliar()).toEqual([true, false]);
    pass(1);
    expect(isFamiliar()).toEqual([false, false]);
  });

  it('fails while PostgreSQL is not available, except for cached keys', async () => {
    const away = await createDataSource({ url: await testDatabaseUrl(), poolSize: 1 }).initialize();
    const { keys, login, pass } = aProcess(new PreparedStatements(away));
    const token = await aToken(keys);
    await login.login(token);
    await away.destroy();
    expect(await login.login(token)).toMatchObject({ name: 'shop' });
    pass(CACHE_MS);
    await expect(login.login(token)).rejects.toThrow();
  });
});
