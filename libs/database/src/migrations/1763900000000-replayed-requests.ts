import type { MigrationInterface, QueryRunner } from 'typeorm';

export class ReplayedRequests1763900000000 implements MigrationInterface {
  readonly name = 'ReplayedRequests1763900000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`SET LOCAL lock_timeout = '5s'`);
    // Constant defaults: no row is rewritten, and the version before goes on without these columns.
    await runner.query(`
      ALTER TABLE onboardings
        ADD COLUMN sealed_requests bytea,
        ADD COLUMN otp_choice jsonb NOT NULL DEFAULT '{}',
        ADD COLUMN otp_target_bundle text,
        ADD COLUMN device_signing jsonb`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`SET LOCAL lock_timeout = '5s'`);
    await runner.query(`
      ALTER TABLE onboardings
        DROP COLUMN sealed_requests, DROP COLUMN otp_choice, DROP COLUMN otp_target_bundle, DROP COLUMN device_signing`);
  }
}
