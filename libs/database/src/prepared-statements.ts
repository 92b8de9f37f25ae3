import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import type { Pool } from 'pg';
import { DataSource } from 'typeorm';
import { isDeadlock } from './database-fault.js';

/** How often a statement is run before a deadlock is its caller's to hear of. */
const TRIES = 5;

/** A statement that is sent by name: PostgreSQL parses and plans it once per connection. */
export interface PreparedStatement {
  /** Unique per text, at most 63 bytes. */
  name: string;
  text: string;
}

/**
 * Runs prepared statements through the pool below TypeORM, for the hot path: TypeORM has no way to name a
 * statement, and the name saves more than half of the server's time for it (docs/decisions/0006).
 * This is the one place that reaches below TypeORM.
 */
@Injectable()
export class PreparedStatements {
  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  /** A statement that breaks a deadlock is run again: each is a transaction by itself, and held no lock before. */
  async run<Row>(statement: PreparedStatement, values: unknown[]): Promise<Row[]> {
    for (let tries = 1; ; tries++) {
      try {
        const { rows } = await poolOf(this.dataSource).query({ ...statement, values });
        return rows as Row[];
      } catch (error) {
        if (!isDeadlock(error) || tries === TRIES) throw error;
      }
    }
  }
}

/** @throws Error when the driver's inside is not what it was: better at the first call than a wrong guess. */
function poolOf(dataSource: DataSource): Pool {
  const { master } = dataSource.driver as unknown as { master?: Pool };
  if (typeof master?.query !== 'function')
    throw new Error('the PostgreSQL driver of TypeORM has no pool named master');
  return master;
}
