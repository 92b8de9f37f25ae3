import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Callers1764000000000 implements MigrationInterface {
  readonly name = 'Callers1764000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE api_keys (
        id text PRIMARY KEY,
        caller text NOT NULL,
        name text,
        -- keyed hash: the secret itself is nowhere
        secret_hash bytea NOT NULL,
        scopes text[] NOT NULL,
        -- null for all
        integrations text[],
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        created_by text NOT NULL,
        expires_at timestamptz,
        last_used_at timestamptz,
        revoked_at timestamptz,
        rotated_to text REFERENCES api_keys (id)
      )`);
    await runner.query(`
      CREATE TABLE audit_events (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz NOT NULL DEFAULT clock_timestamp(),
        actor text NOT NULL,
        action text NOT NULL,
        target text,
        address text,
        data jsonb NOT NULL DEFAULT '{}'
      )`);
    await runner.query(`CREATE INDEX audit_events_at ON audit_events (at)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE audit_events`);
    await runner.query(`DROP TABLE api_keys`);
  }
}
