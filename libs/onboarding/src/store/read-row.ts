import { getMetadataArgsStorage } from 'typeorm';
import { Onboarding } from '../flow/onboarding.entity.js';
import type { Patch, Row } from '../flow/row.js';

/** A row from the driver, by column names. */
export type Raw = Record<string, unknown>;

/** Each property of a row, with its column's name. */
const COLUMNS = getMetadataArgsStorage()
  .columns.filter((column) => column.target === Onboarding)
  .map(
    ({ propertyName, options }) => [propertyName as keyof Onboarding, options.name ?? propertyName] as const,
  );

/** The columns of a row that is only shown, without the secrets of steps. */
export const SHOWN_COLUMNS = getMetadataArgsStorage()
  .columns.filter((column) => column.target === Onboarding && column.options.select !== false)
  .map(({ propertyName, options }) => options.name ?? propertyName);

/** @param callMs how long one more call may take. */
export function readRow(raw: Raw, callMs: number): Row {
  const row: Record<string, unknown> = {
    now: raw['now'],
    callMs,
    ...(raw['paused'] === true && { paused: true }),
  };
  for (const [property, column] of COLUMNS) row[property] = raw[column];
  return row as unknown as Row;
}

/** Values by column name, for a statement that takes them as JSON. Binary values are separate parameters. */
export function writtenColumns(patch: Patch): Raw {
  const written: Raw = {};
  for (const [property, column] of COLUMNS) {
    if (!(patch[property] instanceof Buffer)) written[column] = patch[property];
  }
  return written;
}
