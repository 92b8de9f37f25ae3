import { getMetadataArgsStorage } from 'typeorm';
import { Onboarding } from '../flow/onboarding.entity.js';
import type { Patch, Row } from '../flow/row.js';

/** A row of the driver: the table's own names. */
export type Raw = Record<string, unknown>;

/** Each property of a row with the name of its column. */
const COLUMNS = getMetadataArgsStorage()
  .columns.filter((column) => column.target === Onboarding)
  .map(
    ({ propertyName, options }) => [propertyName as keyof Onboarding, options.name ?? propertyName] as const,
  );

/** The columns of a row that is only shown: none that holds a secret of a step. */
export const SHOWN_COLUMNS = getMetadataArgsStorage()
  .columns.filter((column) => column.target === Onboarding && column.options.select !== false)
  .map(({ propertyName, options }) => options.name ?? propertyName);

/** @param callMs how long one more call may take. */
export function readRow(raw: Raw, callMs: number): Row {
  const row: Record<string, unknown> = { now: raw['now'], callMs };
  for (const [property, column] of COLUMNS) row[property] = raw[column];
  return row as unknown as Row;
}

/** Columns under their own names, for a statement that takes them as JSON. Binary ones go as parameters of their own. */
export function writtenColumns(patch: Patch): Raw {
  const written: Raw = {};
  for (const [property, column] of COLUMNS) {
    if (!(patch[property] instanceof Buffer)) written[column] = patch[property];
  }
  return written;
}
