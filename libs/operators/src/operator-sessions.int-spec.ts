import { randomBytes } from 'node:crypto';
import { Test, type TestingModule } from '@nestjs/testing';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PreparedStatements } from '#libs/database';
import { PlatformModule } from '#libs/platform';
import { testServersConfig, until } from '#libs/testing';
import { DataSource } from 'typeorm';
import { OperatorAccounts } from './operator-accounts.js';
import { OperatorSessions } from './operator-sessions.js';
import type { Role } from './operator.js';
import { OperatorsModule } from './operators.module.js';
import { BEGIN_SESSION, FIND_SESSION } from './statements.js';

let module: TestingModule;
let accounts: OperatorAccounts;
let sessions: OperatorSessions;
beforeAll(async () => {
  const config = await testServersConfig();
  module = await Test.createTestingModule({
    imports: [PlatformModule.forRoot(config), OperatorsModule],
  }).compile();
  module.enableShutdownHooks();
  await module.init();
  accounts = module.get(OperatorAccounts);
  sessions = module.get(OperatorSessions);
});
afterAll(() => module.close());

const PASSWORD = 'seven wild geese';

async function hashOf(name: string): Promise<string> {
  const query = { name: 'spec_hash_of', text: 'SELECT password_hash AS hash FROM operators WHERE name = $1' };
  return (await module.get(PreparedStatements).run<{ hash: string }>(query, [name]))[0]!.hash;
}

describe('a console session', () => {
  it.each([
    ['another password', 'race1', (name: string) => accounts.setPassword(name, 'eight wild geese')],
    ['another role', 'race2', (name: string) => accounts.setRole(name, 'viewer')],
    ['being disabled', 'race3', (name: string) => accounts.disable(name)],
  ])('does not begin if the account changed after its password was checked: %s', async (_, name, change) => {
    const { id } = await accounts.create({ name, role: 'admin', password: PASSWORD });
    const checked = await hashOf(name);
    const operator = { id, name, role: 'admin' as Role, mustChange: true };
    expect(await sessions.begin(operator, checked, '192.0.2.1')).toMatch(/^[\w-]{43}$/);
    await change(name);
    expect(await sessions.begin(operator, checked, '192.0.2.1')).toBeNull();
  });
});

describe('a console session that begins while its account changes', () => {
  it.each([
    ['another password', 'wait1', (name: string) => accounts.setPassword(name, 'eight wild geese')],
    [
      'being disabled and enabled',
      'wait2',
      async (name: string) => {
        await accounts.disable(name);
        await accounts.enable(name);
      },
    ],
  ])('is ended by the change: %s', async (_, name, change) => {
    const { id } = await accounts.create({ name, role: 'admin', password: PASSWORD });
    const checked = await hashOf(name);
    const dataSource = module.get(DataSource);
    const runner = dataSource.createQueryRunner();
    await runner.startTransaction();
    const token = randomBytes(32);
    await runner.query(BEGIN_SESSION.text, [token, id, checked, null, '192.0.2.1', 60_000, 'admin']);
    const changed = change(name);
    await until('the change waits', async () => {
      const [{ waiting }] = await dataSource.query(
        `SELECT count(*)::int AS waiting FROM pg_stat_activity
         WHERE wait_event_type = 'Lock' AND datname = current_database()`,
      );
      return waiting > 0;
    });
    await runner.commitTransaction();
    await runner.release();
    await changed;
    const found = await dataSource.query(FIND_SESSION.text, [token, 60_000, null, 60_000, false]);
    expect(found).toEqual([]);
  });
});

describe('a console account', () => {
  it('has a name that is unique in its canonical spelling', async () => {
    expect(await accounts.create({ name: ' Vera ', role: 'viewer', password: PASSWORD })).toMatchObject({
      name: 'vera',
      role: 'viewer',
      disabledAt: null,
    });
    for (const name of ['VERA', 'ops']) {
      await expect(accounts.create({ name, role: 'viewer', password: PASSWORD })).rejects.toMatchObject({
        code: 'validation_failed',
        status: 409,
      });
    }
    for (const name of ['', 'a b', '-a', 'ä', 'x'.repeat(65)]) {
      await expect(accounts.create({ name, role: 'viewer', password: PASSWORD })).rejects.toMatchObject({
        status: 400,
      });
    }
  });

  it('is listed without its password', async () => {
    const text = JSON.stringify(await accounts.list());
    expect(text).toContain('vera');
    expect(text).not.toMatch(/scrypt|passwordHash/);
  });

  it('cannot be changed if it does not exist or comes from the environment', async () => {
    await expect(accounts.disable('stranger')).rejects.toMatchObject({ code: 'not_found' });
    await expect(accounts.setPassword('ops', PASSWORD)).rejects.toThrow('OPS_PASSWORD');
    await expect(accounts.setRole('vera', 'god' as Role)).rejects.toMatchObject({
      code: 'validation_failed',
    });
  });

  it('works again after it is enabled', async () => {
    expect((await accounts.disable('vera')).disabledAt).toBeInstanceOf(Date);
    expect((await accounts.enable('vera')).disabledAt).toBeNull();
  });
});
