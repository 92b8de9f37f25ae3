import { afterAll, beforeAll, describe, it, jest } from '@jest/globals';
import { Client, escapeIdentifier } from 'pg';
import { RestoredStory } from '../../support/restored-story.js';
import { Story } from '../../support/story.js';

jest.setTimeout(240_000);

/** Other tables refer to these, so they come first, as in `pg_dump --data-only`. */
const FIRST = ['onboardings', 'operators'];

let restored: RestoredStory;
let admin: Client;
let target: URL;
beforeAll(async () => {
  restored = new RestoredStory(await Story.begin());
  admin = new Client({ connectionString: restored.story.databaseUrl });
  await admin.connect();
  target = new URL(restored.story.databaseUrl);
  target.pathname += '_restored';
  const template = escapeIdentifier(process.env['GANGWAY_TEST_TEMPLATE']!);
  await admin.query(`CREATE DATABASE ${escapeIdentifier(target.pathname.slice(1))} TEMPLATE ${template}`);
});
afterAll(async () => {
  await restored.story.end();
  await admin.query(`DROP DATABASE ${escapeIdentifier(target.pathname.slice(1))} WITH (FORCE)`);
  await admin.end();
});

/** Copies all rows as a restore of `pg_dump --data-only --inserts` does. */
async function copyRows(): Promise<void> {
  const to = new Client({ connectionString: target.href });
  await to.connect();
  // Like `pg_dump`, use one snapshot for all tables.
  await admin.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
  try {
    await copyInto(to);
  } finally {
    await admin.query('COMMIT');
    await to.end();
  }
}

async function copyInto(to: Client): Promise<void> {
  await to.query(`SELECT set_config('search_path', '', false)`);
  const { rows: tables } = await admin.query<{ name: string; columns: string }>(
    `SELECT c.relname AS name, string_agg(format('%I', a.attname), ', ' ORDER BY a.attnum) AS columns
     FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
     WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
       AND a.attgenerated = '' AND c.relname <> 'migrations'
     GROUP BY c.relname ORDER BY c.relname <> ALL ($1), c.relname`,
    [FIRST],
  );
  for (const { name, columns } of tables) {
    // In reverse order, because a dump may have its rows in any order: an update moves a row to the end.
    const { rows } = await admin.query<{ row: string }>(
      `SELECT row_to_json(t)::text AS row FROM public.${name} t ORDER BY ctid DESC`,
    );
    for (const { row } of rows) {
      await to.query(
        `INSERT INTO public.${name} (${columns}) OVERRIDING SYSTEM VALUE
         SELECT ${columns} FROM json_populate_record(NULL::public.${name}, $1)`,
        [row],
      );
    }
  }
  const { rows: sequences } = await admin.query<{ name: string; last: string }>(
    `SELECT sequencename AS name, last_value AS last FROM pg_sequences
     WHERE schemaname = 'public' AND sequencename <> 'migrations_id_seq' AND last_value IS NOT NULL`,
  );
  for (const { name, last } of sequences) {
    await to.query('SELECT setval($1, $2)', [`public.${name}`, last]);
  }
}

describe('a restore of a data-only dump into migrated tables', () => {
  it('keeps each timeline, and the service continues', async () => {
    await restored.act();
    await copyRows();
    await restored.moveOnAndStop();
    await restored.restart(target.href);
    await restored.expectTimelines();
    await restored.goOn();
  });
});
