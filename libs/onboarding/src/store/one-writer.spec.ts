import { readFileSync, readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from '@jest/globals';

const CHECKOUT = join(import.meta.dirname, '../../../..');
const STORE = 'libs/onboarding/src/store/';

const isProduct = (path: string) =>
  /\.(ts|mts|mjs|js|sql)$/.test(path) &&
  !/(^|[.-])spec\.ts$/.test(path) &&
  !path.startsWith('libs/testing/') &&
  !path.startsWith('libs/database/src/migrations/') &&
  !/(^|\/)(node_modules|dist|public)\//.test(path);

const sources = ['libs', 'apps', 'tools']
  .flatMap((folder) => readdirSync(join(CHECKOUT, folder), { recursive: true, withFileTypes: true }))
  .filter((entry) => entry.isFile())
  .map((entry) => relative(CHECKOUT, join(entry.parentPath, entry.name)))
  .filter(isProduct);

const TABLE = String.raw`(?:ONLY\s+)?(?:"?public"?\.)?"?(?:onboardings|onboarding_events)"?(?![\w-])`;
const SQL = new RegExp(
  String.raw`\b(?:INSERT\s+INTO|UPDATE|DELETE\s+FROM|MERGE\s+INTO|TRUNCATE(?:\s+TABLE)?|COPY)\s+${TABLE}`,
  'gi',
);
/** TypeORM can write without SQL, but only through a repository or a query builder of these entities. */
const HAS_ENTITY = /Repository(?:<|\()Onboarding(?:Event)?\b|\b(?:into|from|update)\(Onboarding(?:Event)?\b/;
const ORM =
  /\.(?:save|insert|update|upsert|delete|remove|softDelete|softRemove|increment|decrement|clear)\(/g;

const writesIn = (text: string): string[] => [
  ...(text.match(SQL) ?? []),
  ...(HAS_ENTITY.test(text) ? (text.match(ORM) ?? []) : []),
];

const writers = sources.flatMap((path) => {
  const writes = writesIn(readFileSync(join(CHECKOUT, path), 'utf8'));
  return writes.map((write) => ({ path, write: write.replaceAll(/\s+/g, ' ') }));
});

describe('the store', () => {
  it('is the only writer of onboardings and timelines', () => {
    expect(writers.filter(({ path }) => !path.startsWith(STORE))).toEqual([]);
  });

  it('has writes to both tables, and the scan of the source code finds them', () => {
    expect(sources.length).toBeGreaterThan(200);
    expect(new Set(writers.map(({ write }) => write))).toEqual(
      new Set([
        'INSERT INTO onboardings',
        'UPDATE onboardings',
        'INSERT INTO onboarding_events',
        'UPDATE onboarding_events',
      ]),
    );
  });
});

describe('the scan of the source code for writes', () => {
  it.each([
    'UPDATE onboardings o SET state = $1',
    'update only "onboardings" set state = 1',
    'INSERT INTO public.onboarding_events (seq)',
    'INSERT\n    INTO onboardings AS o',
    'DELETE FROM onboarding_events e USING x',
    'TRUNCATE onboardings',
    'constructor(rows: Repository<Onboarding>) {} end() { return this.rows.update(id, {}); }',
    'source.getRepository(OnboardingEvent).insert({})',
    'manager.createQueryBuilder().update(Onboarding).set({})',
  ])('finds a write in %j', (line) => {
    expect(writesIn(line)).not.toEqual([]);
  });

  it.each([
    'SELECT * FROM onboardings o FOR UPDATE OF o',
    'UPDATE otp_budgets b SET live_id = NULL FROM onboardings o',
    'INSERT INTO onboardings_copy VALUES (1)',
    'rows: Repository<Onboarding>; this.rows.createQueryBuilder("o")',
    'counts.delete(id)',
  ])('finds no write in %j', (line) => {
    expect(writesIn(line)).toEqual([]);
  });
});
