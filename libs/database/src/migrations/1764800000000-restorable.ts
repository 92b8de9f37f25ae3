import type { MigrationInterface, QueryRunner } from 'typeorm';
import { CHAIN_EVENT } from './1764200000000-sealed-data.js';

/** Allows a dump's rows to be inserted unchanged: by any role, in any order, and with an empty search path. */
export class Restorable1764800000000 implements MigrationInterface {
  readonly name = 'Restorable1764800000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`SET LOCAL lock_timeout = '5s'`);
    // A dump names each column, so only a new event takes the default.
    await runner.query(`ALTER TABLE onboarding_events ALTER COLUMN salt SET DEFAULT gen_random_uuid()`);
    await runner.query(`
      CREATE OR REPLACE FUNCTION gangway_chain_event() RETURNS trigger LANGUAGE plpgsql AS $$
      DECLARE
        before bytea;
      BEGIN
        -- A restored event keeps what it brings. Verification proves it, and not this trigger.
        IF NEW.hash IS NOT NULL OR NEW.salt IS NULL THEN
          RETURN NEW;
        END IF;
        -- An event of an erased onboarding keeps no data. A condition with a subquery is slower, so the IFs are nested.
        IF NEW.type = 'late_answer_kept' OR NEW.type = 'resolved' THEN
          IF EXISTS (SELECT 1 FROM onboardings WHERE id = NEW.onboarding_id AND erased_at IS NOT NULL) THEN
            NEW.data := '{}';
          END IF;
        END IF;
        SELECT hash INTO before FROM onboarding_events
        WHERE onboarding_id = NEW.onboarding_id AND seq = NEW.seq - 1;
        NEW.hash := sha256(
          coalesce(before, '\\x0000000000000000000000000000000000000000000000000000000000000000'::bytea)
          || convert_to(NEW.onboarding_id || E'\\n' || NEW.seq || E'\\n' || NEW.type || E'\\n'
            || (extract(epoch FROM NEW.at) * 1000000)::bigint || E'\\n' || NEW.actor || E'\\n', 'UTF8')
          || sha256(uuid_send(NEW.salt) || convert_to(NEW.data::text, 'UTF8')));
        RETURN NEW;
      END $$`);
    // pg_dump and pg_restore work with an empty search path.
    const [{ schema }] = await runner.query('SELECT quote_ident(current_schema()) AS schema');
    for (const name of FUNCTIONS) {
      await runner.query(`ALTER FUNCTION ${name}() SET search_path = ${schema}, pg_temp`);
    }
    // A key may be restored before the key that it was rotated to. Keys are never deleted, and one statement rotates.
    await runner.query(`ALTER TABLE api_keys DROP CONSTRAINT api_keys_rotated_to_fkey`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`SET LOCAL lock_timeout = '5s'`);
    await runner.query(`
      ALTER TABLE api_keys ADD CONSTRAINT api_keys_rotated_to_fkey FOREIGN KEY (rotated_to) REFERENCES api_keys (id)`);
    for (const name of FUNCTIONS) await runner.query(`ALTER FUNCTION ${name}() RESET search_path`);
    await runner.query(CHAIN_EVENT);
    await runner.query(`ALTER TABLE onboarding_events ALTER COLUMN salt DROP DEFAULT`);
  }
}

const FUNCTIONS = ['gangway_chain_event', 'gangway_erase_along'];
