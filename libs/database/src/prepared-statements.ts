import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { InjectDataSource } from '@nestjs/typeorm';
import { DataSource } from 'typeorm';
import { traced, type Span } from '#libs/platform';
import { isConflict, isReadOnly, isRefusal } from './database-fault.js';
import { DatabasePool } from './database-pool.js';

const TRIES = 5;

/** PostgreSQL parses and plans the statement once per connection, by its name. */
export interface PreparedStatement {
  /** Unique for this text, at most 63 bytes. */
  name: string;
  text: string;
  /**
   * Whether the statement may share a transaction: only if it is short, and serves a request or an attempt.
   */
  shares?: boolean;
}

const names = new Map<string, string>();

/** The same text gets the same name. */
export function prepared(text: string): PreparedStatement {
  let name = names.get(text);
  if (!name) {
    name = `gw_${createHash('sha256').update(text).digest('hex').slice(0, 24)}`;
    names.set(text, name);
  }
  return { name, text };
}

/**
 * Runs named statements through TypeORM's pool (docs/decisions/0006). Behind a pooler in transaction mode,
 * statements have no names.
 */
@Injectable()
export class PreparedStatements {
  constructor(@InjectDataSource() private readonly dataSource: DataSource) {}

  /**
   * Repeats a statement after a conflict, and once on a read-only server, because a new connection may lead
   * to another server.
   */
  run<Row>(statement: PreparedStatement, values: unknown[]): Promise<Row[]> {
    return traced(statement.name, (span) => this.#run<Row>(statement, values, span), noteRows, 'client');
  }

  async #run<Row>(statement: PreparedStatement, values: unknown[], span?: Span): Promise<Row[]> {
    span?.set({ 'db.system.name': 'postgresql', 'db.query.summary': statement.name });
    const pool = poolOf(this.dataSource);
    const { name, text, shares } = statement;
    for (let tries = 1, elsewhere = false; ; tries++) {
      try {
        return await pool.run<Row>({ name, text, values }, shares);
      } catch (error) {
        const again = isReadOnly(error) ? !elsewhere : isConflict(error) || isUnprepared(error);
        if (!again || tries === TRIES) {
          if (span) noteError(span, error);
          throw error;
        }
        elsewhere ||= isReadOnly(error);
      }
    }
  }
}

/** @throws Error if the driver's internals have changed. */
export function poolOf(dataSource: DataSource): DatabasePool {
  const { master } = dataSource.driver as unknown as { master?: unknown };
  if (!(master instanceof DatabasePool))
    throw new Error('the PostgreSQL driver of TypeORM has no pool named master');
  return master;
}

const noteRows = (span: Span, rows: unknown[]) => span.set({ 'db.response.returned_rows': rows.length });

/** A refusal is no error: the caller of the statement expects it. */
function noteError(span: Span, error: unknown): void {
  const { code } = error as { code?: unknown };
  if (typeof code !== 'string') return;
  span.set({ 'db.response.status_code': code });
  span.fail(code, !isRefusal(error));
}

/** An earlier run of the same text failed, so PostgreSQL does not know the name. */
const isUnprepared = (error: unknown) => (error as { code?: unknown }).code === '26000';
