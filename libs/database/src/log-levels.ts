import { Injectable } from '@nestjs/common';
import type { LogLevel, LogModule } from '#libs/platform';
import { PreparedStatements, type PreparedStatement } from './prepared-statements.js';

/** Stands for all modules without a level of their own. */
export const DEFAULT_MODULE = 'default';

export interface ChangedLevel {
  module: LogModule | typeof DEFAULT_MODULE;
  level: LogLevel;
  actor: string;
  since: Date;
  until: Date;
  /** By PostgreSQL's clock. */
  leftMs: number;
}

const LIST: PreparedStatement = {
  name: 'log_levels_list',
  text: `
    SELECT module, level, actor, since, until,
      (extract(epoch FROM until - clock_timestamp()) * 1000)::float8 AS "leftMs"
    FROM log_levels WHERE until > clock_timestamp() ORDER BY module`,
};

/** Also deletes expired levels. */
const SET: PreparedStatement = {
  name: 'log_level_set',
  text: `
    WITH expired AS (DELETE FROM log_levels WHERE until <= clock_timestamp() AND module <> $1)
    INSERT INTO log_levels AS l (module, level, actor, until)
    VALUES ($1, $2, $3, clock_timestamp() + $4::float8 * interval '1 millisecond')
    ON CONFLICT (module) DO UPDATE SET level = excluded.level, actor = excluded.actor,
      since = clock_timestamp(), until = excluded.until
    RETURNING module, level, actor, since, until, $4::float8 AS "leftMs"`,
};

const RESET: PreparedStatement = {
  name: 'log_levels_reset',
  text: 'DELETE FROM log_levels WHERE module = coalesce($1, module) RETURNING module',
};

/** The log levels that operators have changed, for all processes. */
@Injectable()
export class LogLevels {
  constructor(private readonly statements: PreparedStatements) {}

  list(): Promise<ChangedLevel[]> {
    return this.statements.run<ChangedLevel>(LIST, []);
  }

  /** @param forMs after this time, the configured level applies again. */
  async set(
    module: ChangedLevel['module'],
    level: LogLevel,
    forMs: number,
    actor: string,
  ): Promise<ChangedLevel> {
    const [changed] = await this.statements.run<ChangedLevel>(SET, [module, level, actor, forMs]);
    return changed!;
  }

  /** @param module null for all modules. */
  async reset(module: ChangedLevel['module'] | null): Promise<string[]> {
    const rows = await this.statements.run<{ module: string }>(RESET, [module]);
    return rows.map((row) => row.module);
  }
}
