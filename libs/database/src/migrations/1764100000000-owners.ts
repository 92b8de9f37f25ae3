import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Owners1764100000000 implements MigrationInterface {
  readonly name = 'Owners1764100000000';

  async up(runner: QueryRunner): Promise<void> {
    // Whoever waits for a lock has everybody else wait behind it. Refused, it may be run again.
    await runner.query(`SET LOCAL lock_timeout = '5s'`);
    // What was started before callers had names, and what the version before starts meanwhile, is the default caller's.
    await runner.query(`ALTER TABLE onboardings ADD COLUMN caller text NOT NULL DEFAULT 'default'`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`SET LOCAL lock_timeout = '5s'`);
    await runner.query(`ALTER TABLE onboardings DROP COLUMN caller`);
  }
}
