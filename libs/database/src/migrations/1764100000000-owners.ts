import type { MigrationInterface, QueryRunner } from 'typeorm';

export class Owners1764100000000 implements MigrationInterface {
  readonly name = 'Owners1764100000000';

  async up(runner: QueryRunner): Promise<void> {
    // What was started before callers had names, and what the version before starts meanwhile, is the default caller's.
    await runner.query(`ALTER TABLE onboardings ADD COLUMN caller text NOT NULL DEFAULT 'default'`);
    await runner.query(`CREATE INDEX onboardings_by_caller ON onboardings (caller, id DESC)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE onboardings DROP COLUMN caller`);
  }
}
