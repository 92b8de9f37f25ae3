import type { MigrationInterface, QueryRunner } from 'typeorm';

export class IdempotencyKeys1763700000000 implements MigrationInterface {
  readonly name = 'IdempotencyKeys1763700000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE idempotency_keys (
        caller text NOT NULL,
        route text NOT NULL,
        key text NOT NULL,
        -- keyed hash of the path and the body
        fingerprint text NOT NULL,
        -- the request that took the key
        taken_by uuid,
        -- the onboarding that the request changed, in the very statement that wrote this row
        onboarding_id uuid,
        -- until when the first request may still be answering
        locked_until timestamptz,
        status integer,
        headers jsonb,
        body text,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (caller, route, key)
      )`);
    await runner.query(`CREATE INDEX idempotency_keys_created ON idempotency_keys (created_at)`);
    // Ends a statement whose later part is refused, so that its earlier parts are not written either.
    await runner.query(`
      CREATE FUNCTION gangway_refuse(clause text) RETURNS boolean LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'refused: %', clause USING ERRCODE = 'GW001'; END $$`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP FUNCTION gangway_refuse`);
    await runner.query(`DROP TABLE idempotency_keys`);
  }
}
