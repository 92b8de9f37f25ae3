import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A volatile function sees the rows of its own statement, so several events of one statement form a chain. */
export const CHAIN_EVENT = `
  CREATE OR REPLACE FUNCTION gangway_chain_event() RETURNS trigger LANGUAGE plpgsql AS $$
  DECLARE
    before bytea;
  BEGIN
    -- Of what may still happen to an erased onboarding, no more than that it did. One IF in the other: a condition
    -- with a subquery is a statement of its own, for every event.
    IF NEW.type = 'late_answer_kept' OR NEW.type = 'resolved' THEN
      IF EXISTS (SELECT 1 FROM onboardings WHERE id = NEW.onboarding_id AND erased_at IS NOT NULL) THEN
        NEW.data := '{}';
      END IF;
    END IF;
    SELECT hash INTO before FROM onboarding_events
    WHERE onboarding_id = NEW.onboarding_id AND seq = NEW.seq - 1;
    NEW.salt := gen_random_uuid();
    NEW.hash := sha256(
      coalesce(before, '\\x0000000000000000000000000000000000000000000000000000000000000000'::bytea)
      || convert_to(NEW.onboarding_id || E'\\n' || NEW.seq || E'\\n' || NEW.type || E'\\n'
        || (extract(epoch FROM NEW.at) * 1000000)::bigint || E'\\n' || NEW.actor || E'\\n', 'UTF8')
      || sha256(uuid_send(NEW.salt) || convert_to(NEW.data::text, 'UTF8')));
    RETURN NEW;
  END $$`;

/**
 * Data keys, sealed contacts, erasure, and the chain of the timeline. It locks the tables that every request needs, and
 * so does nothing that takes long: the indexes are a migration of their own.
 */
export class SealedData1764200000000 implements MigrationInterface {
  readonly name = 'SealedData1764200000000';

  async up(runner: QueryRunner): Promise<void> {
    // Whoever waits for a lock has everybody else wait behind it. Refused, all of it is undone, and may be run again.
    await runner.query(`SET LOCAL lock_timeout = '5s'`);
    // No defaults: no row is rewritten, and the version before goes on without these columns.
    await runner.query(`
      ALTER TABLE onboardings
        ADD COLUMN sealed_data_key bytea,
        ADD COLUMN data_key_id text,
        ADD COLUMN sealed_contact bytea,
        ADD COLUMN erased_at timestamptz,
        ADD COLUMN anchor bytea,
        ADD COLUMN anchored_seq integer`);
    await runner.query(`ALTER TABLE idempotency_keys ADD COLUMN sealed_answer bytea`);
    // salt and data make a commitment: once both are gone, data_hash tells nothing of them.
    await runner.query(`
      ALTER TABLE onboarding_events
        ADD COLUMN hash bytea, ADD COLUMN salt uuid, ADD COLUMN data_hash bytea`);
    await this.#erasure(runner);
    await this.#chain(runner);
  }

  async #erasure(runner: QueryRunner): Promise<void> {
    // What an erased row may not hold, whoever writes it. Not validated: no row is erased yet, so none need be read.
    await runner.query(`
      ALTER TABLE onboardings ADD CONSTRAINT onboardings_erased_is_blank CHECK (
        erased_at IS NULL OR (
          num_nonnulls(sealed_data_key, sealed_contact, sealed_otp_code, sealed_grant, sealed_authenticators,
            sealed_requests, external_ref, otp_handle, otp_target_bundle, device_signing, fingerprint) = 0
          AND subject = '{}' AND metadata = '{}' AND otp_choice = '{}'
          AND authenticators = '[]' AND pending_authenticators = '[]'
          AND subject_key = 'erased:' || id::text)
      ) NOT VALID`);
    // A trigger, because a clause of the same statement would not see what was committed while that waited for the
    // row: each statement in here looks anew.
    await runner.query(`
      CREATE FUNCTION gangway_erase_along() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        DELETE FROM webauthn_challenges WHERE onboarding_id = NEW.id;
        DELETE FROM credentials WHERE onboarding_id = NEW.id;
        -- Nobody has taken it any more: an answer that is still on its way finds no place.
        UPDATE idempotency_keys SET fingerprint = '', taken_by = NULL, status = NULL, headers = NULL, body = NULL,
          sealed_answer = NULL
        WHERE onboarding_id = NEW.id;
        UPDATE onboarding_events SET data = '{}', salt = NULL,
          data_hash = sha256(uuid_send(salt) || convert_to(data::text, 'UTF8'))
        WHERE onboarding_id = NEW.id AND data_hash IS NULL;
        RETURN NULL;
      END $$`);
    await runner.query(`
      CREATE TRIGGER onboardings_erase_along AFTER UPDATE OF erased_at ON onboardings
      FOR EACH ROW WHEN (OLD.erased_at IS NULL AND NEW.erased_at IS NOT NULL)
      EXECUTE FUNCTION gangway_erase_along()`);
  }

  async #chain(runner: QueryRunner): Promise<void> {
    await runner.query(CHAIN_EVENT);
    await runner.query(`
      CREATE TRIGGER onboarding_events_chain BEFORE INSERT ON onboarding_events
      FOR EACH ROW EXECUTE FUNCTION gangway_chain_event()`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`SET LOCAL lock_timeout = '5s'`);
    await runner.query(`DROP TRIGGER onboarding_events_chain ON onboarding_events`);
    await runner.query(`DROP TRIGGER onboardings_erase_along ON onboardings`);
    await runner.query(`DROP FUNCTION gangway_chain_event, gangway_erase_along`);
    await runner.query(
      `ALTER TABLE onboarding_events DROP COLUMN hash, DROP COLUMN salt, DROP COLUMN data_hash`,
    );
    await runner.query(`ALTER TABLE idempotency_keys DROP COLUMN sealed_answer`);
    await runner.query(`
      ALTER TABLE onboardings DROP COLUMN sealed_data_key, DROP COLUMN data_key_id, DROP COLUMN sealed_contact,
        DROP COLUMN erased_at, DROP COLUMN anchor, DROP COLUMN anchored_seq`);
  }
}
