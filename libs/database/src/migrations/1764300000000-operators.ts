import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Operators1764300000000 implements MigrationInterface {
  readonly name = 'Operators1764300000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE TABLE operators (
        id uuid PRIMARY KEY,
        name text NOT NULL UNIQUE,
        role text NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
        -- scrypt, with its parameters and its salt
        password_hash text NOT NULL,
        password_set_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        last_login_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        disabled_at timestamptz,
        -- grows with each change that ends the account's sessions
        generation integer NOT NULL DEFAULT 0
      )`);
    await runner.query(`
      CREATE TABLE operator_sessions (
        -- keyed hash of the token, which only the browser has
        token_hash bytea PRIMARY KEY,
        operator_id uuid REFERENCES operators (id) ON DELETE CASCADE,
        -- of the environment's account, in an operator's place: keyed hash of its name and password
        environment_account bytea,
        address text NOT NULL,
        -- the account's, when it was begun
        generation integer NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        last_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        expires_at timestamptz NOT NULL,
        CHECK (num_nonnulls(operator_id, environment_account) = 1)
      )`);
    await runner.query(`CREATE INDEX operator_sessions_operator ON operator_sessions (operator_id)`);
    await runner.query(`CREATE INDEX operator_sessions_expiry ON operator_sessions (expires_at)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE operator_sessions`);
    await runner.query(`DROP TABLE operators`);
  }
}
