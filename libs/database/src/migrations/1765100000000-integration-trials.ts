import type { MigrationInterface, QueryRunner } from 'typeorm';

/** How parked onboardings are tried at a provider whose probe proves nothing. */
export class IntegrationTrials1765100000000 implements MigrationInterface {
  readonly name = 'IntegrationTrials1765100000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`SET LOCAL lock_timeout = '5s'`);
    // How often the submission at hand was parked.
    await runner.query(`ALTER TABLE onboardings ADD COLUMN parkings integer NOT NULL DEFAULT 0`);
    await runner.query(`
      CREATE TABLE integration_trials (
        integration text PRIMARY KEY,
        tries integer NOT NULL,
        next_at timestamptz NOT NULL,
        released_at timestamptz NOT NULL,
        released uuid[] NOT NULL
      )`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`SET LOCAL lock_timeout = '5s'`);
    await runner.query(`DROP TABLE integration_trials`);
    await runner.query(`ALTER TABLE onboardings DROP COLUMN parkings`);
  }
}
