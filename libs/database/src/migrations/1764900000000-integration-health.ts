import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What all processes know of the integrations: small tables, written every few seconds. */
export class IntegrationHealth1764900000000 implements MigrationInterface {
  readonly name = 'IntegrationHealth1764900000000';

  async up(runner: QueryRunner): Promise<void> {
    // What one process sees. It lapses with its process.
    await runner.query(`
      CREATE TABLE integration_views (
        process text NOT NULL,
        integration text NOT NULL,
        seen_at timestamptz NOT NULL,
        breaker_since timestamptz,
        refused_since timestamptz,
        facts jsonb NOT NULL,
        PRIMARY KEY (process, integration)
      ) WITH (fillfactor = 50)`);
    // Failures in a row, in all processes together. A row is there until a call succeeds.
    await runner.query(`
      CREATE TABLE integration_troubles (
        integration text NOT NULL,
        what text NOT NULL,
        failures integer NOT NULL,
        since timestamptz NOT NULL,
        last_at timestamptz NOT NULL,
        good_until timestamptz NOT NULL,
        failure text NOT NULL,
        status integer,
        PRIMARY KEY (integration, what)
      ) WITH (fillfactor = 50)`);
    // One row: how many onboardings wait for an operator. One process counts for all of them.
    await runner.query(`
      CREATE TABLE integration_counts (
        singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
        counted_at timestamptz NOT NULL,
        counts jsonb NOT NULL
      ) WITH (fillfactor = 50)`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(`DROP TABLE integration_views, integration_troubles, integration_counts`);
  }
}
