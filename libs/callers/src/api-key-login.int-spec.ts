import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { PreparedStatements, createDataSource } from '#libs/database';
import type { Clock } from '#libs/kernel';
import { KeyedHash } from '#libs/platform';
import { testConfig, testDatabaseUrl } from '#libs/testing';
import { ApiKeyLogin } from './api-key-login.js';
import { LOAD_KEY } from './api-key-statements.js';
import { parseApiKeyToken, type ApiKeyToken } from './api-key-token.js';
import { ApiKeys } from './api-keys.js';
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

/** A process of its own, with a clock that stands still. */
function aProcess() {
  let nowMs = 0;
  const clock: Clock = { nowMs: () => nowMs, monotonicMs: () => nowMs };
  const hash = new KeyedHash(Buffer.alloc(32, 9));
  const keys = new ApiKeys(statements, hash, new Audit(statements));
  const config = testConfig({ API_KEY_CACHE_MS: String(CACHE_MS) });
  const login = new ApiKeyLogin(statements, hash, config, clock, keys);
  return { keys, login, pass: (ms: number) => (nowMs += ms) };
}

async function aToken(keys: ApiKeys): Promise<ApiKeyToken> {
  const rights = { caller: 'shop', scopes: ['admin'] as const, integrations: null, name: null, lifeMs: null };
  return parseApiKeyToken((await keys.create(rights, WHO)).token.reveal())!;
}

/** How often keys are read while something is done. */
async function readsDuring(work: () => Promise<unknown>): Promise<number> {
  const run = jest.spyOn(statements, 'run');
  await work();
  const reads = run.mock.calls.filter(([statement]) => statement.name === LOAD_KEY.name).length;
  run.mockRestore();
  return reads;
}

describe('a key', () => {
  it('is read once for as long as it is remembered, however many ask at once', async () => {
    const { keys, login, pass } = aProcess();
    const token = await aToken(keys);
    const ask = () => Promise.all(Array.from({ length: 50 }, () => login.login(token)));
    expect(await readsDuring(ask)).toBe(1);
    pass(CACHE_MS - 1);
    expect(await readsDuring(ask)).toBe(0);
    pass(1);
    expect(await readsDuring(ask)).toBe(1);
  });

  it('revoked elsewhere works until it is forgotten; revoked here, not once more', async () => {
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

  it('that is revoked while it is being read is not remembered', async () => {
    const { keys, login } = aProcess();
    const token = await aToken(keys);
    const another = new PreparedStatements(dataSource);
    const run = jest.spyOn(statements, 'run');
    let revoked: Promise<unknown> | undefined;
    run.mockImplementation(async (statement, values) => {
      const rows = await another.run(statement, values);
      // The row was there when it was read, and is gone when it arrives.
      if (statement.name === LOAD_KEY.name) await (revoked ??= keys.revoke(token.id, WHO));
      return rows as never;
    });
    await login.login(token);
    run.mockRestore();
    expect(await login.login(token)).toBeNull();
  });

  it('that nobody has is asked for each time, and pushes nothing out', async () => {
    const { keys, login } = aProcess();
    const token = await aToken(keys);
    await login.login(token);
    const unknown = { ...token, id: '0'.repeat(20) };
    expect(await readsDuring(async () => expect(await login.login(unknown)).toBeNull())).toBe(1);
    expect(await readsDuring(async () => expect(await login.login(unknown)).toBeNull())).toBe(1);
    expect(await readsDuring(() => login.login(token))).toBe(0);
  });
});
