import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { uuidV7 } from '#libs/kernel';
import { TEST_ENV, anOnboarding } from '#libs/testing';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { write } from '../fixtures/write.js';
import { DataKeys } from '../store/data-keys.js';
import { Timelines } from './timelines.js';
import { KeyChecks } from './key-checks.js';

const another = () => randomBytes(32).toString('base64');

/** The process that has written the database: a sealed row and two timelines with an anchor. */
let before: Onboardings;
beforeAll(async () => {
  before = await openOnboardings();
  const id = uuidV7(Date.now());
  const { sealedDataKey, dataKeyId } = before.module.get(DataKeys).fresh(id).patch;
  await anOnboarding(before.dataSource, { id, sealed_data_key: sealedDataKey, data_key_id: dataKeyId });
  for (const _ of [1, 2]) {
    const ended = await anOnboarding(before.dataSource);
    await write(before.store, ended, [{ type: 'cancelled', actor: 'caller' }], { state: 'cancelled' });
  }
  await before.module.get(Timelines).anchor();
});
afterAll(() => before.close());

const HASH = 'HASH_KEY is not the key that this database was written with: put it back';
const SEALING = 'SEALING_KEYS does not have the key "test" that this database was written with: put it back';

describe('a boot with a restored database', () => {
  it.each([
    ['the keys that it was written with', {}, []],
    ['these keys and a newer one', { SEALING_KEYS: `new:${another()},${TEST_ENV['SEALING_KEYS']}` }, []],
    ['another hash key', { HASH_KEY: another() }, [HASH]],
    ['another sealing key', { SEALING_KEYS: `new:${another()}` }, [SEALING]],
    ['another sealing key with the same id', { SEALING_KEYS: `test:${another()}` }, [SEALING]],
  ])('logs which keys do not fit the database, if the service has %s', async (_, env, told) => {
    const error = jest.spyOn(Logger.prototype, 'error').mockReturnValue(undefined);
    const after = await openOnboardings([], env as Record<string, string>);
    expect(error.mock.calls.map(([, line]) => line)).toEqual(told);
    error.mockRestore();
    await after.close();
  });

  it('does not report a wrong key if only one timeline was altered', async () => {
    const [{ id }] = await before.dataSource.query(
      'SELECT id FROM onboardings WHERE anchor IS NOT NULL LIMIT 1',
    );
    await before.dataSource.query(`UPDATE onboardings SET anchor = '\\x00' WHERE id = $1`, [id]);
    expect(await before.module.get(KeyChecks).faults()).toEqual([]);
  });
});
