import type { MigrationInterface, QueryRunner } from 'typeorm';

/** How many submissions have named a challenge. The version before this one writes no challenge with a count, which is 0 then. */
export class ChallengeTries1765000000000 implements MigrationInterface {
  readonly name = 'ChallengeTries1765000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`SET LOCAL lock_timeout = '5s'`);
    await runner.query(`ALTER TABLE webauthn_challenges ADD COLUMN tries smallint NOT NULL DEFAULT 0`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`SET LOCAL lock_timeout = '5s'`);
    await runner.query(`ALTER TABLE webauthn_challenges DROP COLUMN tries`);
  }
}
