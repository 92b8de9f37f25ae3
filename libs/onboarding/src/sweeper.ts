import { Inject, Injectable } from '@nestjs/common';
import { PreparedStatements } from '#libs/database';
import { JobProducer } from '#libs/jobs';
import { CONFIG, type Config } from '#libs/platform';
import type { StepName } from './machine.js';
import { prepared } from './statement.js';
import { stepJob } from './step.job.js';

/** A row whose try is due for less than this is most likely about to be woken by its own job. */
const GRACE_MS = 2_000;
const BATCH = 500;

const SWEEP = `
  UPDATE onboardings o SET woken_at = clock_timestamp()
  FROM (
    SELECT id FROM onboardings
    WHERE (lease_until IS NOT NULL OR next_attempt_at IS NOT NULL) AND parked_reason IS NULL
      AND least(lease_until, next_attempt_at) <= clock_timestamp() - $1::float8 * interval '1 millisecond'
      AND (woken_at IS NULL OR woken_at <= clock_timestamp() - $2::float8 * interval '1 millisecond')
    ORDER BY least(lease_until, next_attempt_at) LIMIT $3 FOR UPDATE SKIP LOCKED
  ) due
  WHERE o.id = due.id
  RETURNING o.id, o.step, o.attempt`;

/** Wakes steps that nobody holds: their job was lost, or the process that ran them is gone. */
@Injectable()
export class Sweeper {
  constructor(
    private readonly statements: PreparedStatements,
    private readonly jobs: JobProducer,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** @returns how many rows were woken. */
  async run(): Promise<{ woken: number }> {
    let woken = 0;
    for (;;) {
      const rows = await this.statements.run<{ id: string; step: StepName; attempt: number }>(
        prepared(SWEEP),
        [Math.min(GRACE_MS, this.config.SWEEP_EVERY_MS), this.config.WAKE_AGAIN_MS, BATCH],
      );
      // Without a custom id: a job of that id may still be kept as finished, and would swallow this one.
      for (const { id, step, attempt } of rows) {
        await this.jobs.add(stepJob(step), { onboardingId: id, attempt: attempt + 1 });
      }
      woken += rows.length;
      if (rows.length < BATCH) return { woken };
    }
  }
}
