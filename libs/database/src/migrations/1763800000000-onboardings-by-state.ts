import type { MigrationInterface, QueryRunner } from 'typeorm';

export class OnboardingsByState1763800000000 implements MigrationInterface {
  readonly name = 'OnboardingsByState1763800000000';

  async up(runner: QueryRunner): Promise<void> {
    // For lists by state, newest first. It costs no write more: a change of state touches indexes as it is.
    await runner.query(`CREATE INDEX onboardings_by_state ON onboardings (state, id DESC)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP INDEX onboardings_by_state`);
  }
}
