import { createHash } from 'node:crypto';
import { getMetadataArgsStorage } from 'typeorm';
import type { PreparedStatement } from '#libs/database';
import { Onboarding } from './onboarding.entity.js';

/** Collects a statement's parameters while its text is written. */
export class Bindings {
  readonly values: unknown[] = [];

  /** @param type the PostgreSQL type, e.g. `timestamptz`. */
  bind(value: unknown, type: string): string {
    this.values.push(type === 'jsonb' && value !== null ? JSON.stringify(value) : value);
    return `$${this.values.length}::${type}`;
  }
}

/** A value that the database works out when it writes. */
export class SqlValue {
  constructor(readonly write: (bindings: Bindings) => string) {}
}

/** An instant so many milliseconds from the database's now; `now()` would be stale after a wait for a lock. */
export const fromNow = (ms: number) =>
  new SqlValue((bindings) => `clock_timestamp() + ${bindings.bind(ms, 'float8')} * interval '1 millisecond'`);

/**
 * One instant for a whole statement, so that an index can look for what is due: `clock_timestamp()` itself may
 * answer anew for each row, and every row would be read. Not for a statement that may wait for a lock: by then
 * it is stale.
 */
export const NOW = '(SELECT clock_timestamp())';

export const sql = (text: string) => new SqlValue(() => text);

/** The columns to write, by their properties' names. The row being changed is `o`. */
export type Patch = { [Property in keyof Onboarding]?: Onboarding[Property] | SqlValue };

interface ColumnOf {
  property: keyof Onboarding;
  name: string;
  type: string;
}

const COLUMNS: readonly ColumnOf[] = getMetadataArgsStorage()
  .columns.filter((column) => column.target === Onboarding)
  .map((column) => ({
    property: column.propertyName as keyof Onboarding,
    name: column.options.name ?? column.propertyName,
    type: String(column.options.type),
  }));

const COLUMN_OF = new Map(COLUMNS.map((column) => [column.property, column]));

/** The name of a property's column. */
export function columnOf(property: keyof Onboarding): string {
  const column = COLUMN_OF.get(property);
  if (!column) throw new Error(`the table has no column for "${property}"`);
  return column.name;
}

/** The select list that gives a row the entity's own property names, so that no mapper is needed. */
export const columnsOf = (alias: string) =>
  COLUMNS.map(({ name, property }) => `${alias}.${name} AS "${property}"`).join(', ');

/** `column` and `value` texts for a patch, in the order given. */
export function assignments(patch: Patch, bindings: Bindings): { column: string; value: string }[] {
  return Object.entries(patch).map(([property, value]) => {
    const column = COLUMN_OF.get(property as keyof Onboarding);
    if (!column) throw new Error(`the table has no column for "${property}"`);
    const text = value instanceof SqlValue ? value.write(bindings) : bindings.bind(value, column.type);
    return { column: column.name, value: text };
  });
}

const names = new Map<string, string>();

/** Names a statement by its text, so that the same text is prepared once per connection. */
export function prepared(text: string): PreparedStatement {
  let name = names.get(text);
  if (!name) {
    name = `gw_${createHash('sha256').update(text).digest('hex').slice(0, 24)}`;
    names.set(text, name);
  }
  return { name, text };
}
