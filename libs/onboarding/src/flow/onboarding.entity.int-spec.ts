import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { OnboardingEvent } from './onboarding-event.entity.js';
import { Onboarding } from './onboarding.entity.js';

let onboardings: Onboardings;
beforeAll(async () => {
  onboardings = await openOnboardings();
});
afterAll(() => onboardings.close());

describe.each([Onboarding, OnboardingEvent])('the entity %p', (entity) => {
  it('has exactly the columns of its table, with the same types and nullability', async () => {
    const { dataSource } = onboardings;
    const metadata = dataSource.getMetadata(entity);
    const ofEntity = metadata.columns.map((column) => ({
      name: column.databaseName,
      type: dataSource.driver.normalizeType(column),
      nullable: column.isNullable,
      primary: column.isPrimary,
    }));
    const ofTable = await dataSource.query(
      `SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type,
         NOT a.attnotnull AS nullable,
         EXISTS (
           SELECT 1 FROM pg_index i
           WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey)) AS primary
       FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped`,
      [metadata.tableName],
    );
    const byName = (a: { name: string }, b: { name: string }) => a.name.localeCompare(b.name);
    expect(ofEntity.sort(byName)).toEqual(ofTable.sort(byName));
  });
});
