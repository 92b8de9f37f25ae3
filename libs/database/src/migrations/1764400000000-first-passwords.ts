import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Passwords that somebody else chose. Those of before stay as they are; who makes none of the column means true. */
export class FirstPasswords1764400000000 implements MigrationInterface {
  readonly name = 'FirstPasswords1764400000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`SET LOCAL lock_timeout = '5s'`);
    await runner.query(`ALTER TABLE operators ADD COLUMN must_change boolean NOT NULL DEFAULT false`);
    await runner.query(`ALTER TABLE operators ALTER COLUMN must_change SET DEFAULT true`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`SET LOCAL lock_timeout = '5s'`);
    await runner.query(`ALTER TABLE operators DROP COLUMN must_change`);
  }
}
