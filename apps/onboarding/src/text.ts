import { z } from 'zod';
import { rule } from '#libs/platform';

const MAX_DEPTH = 8;

/** PostgreSQL cannot store U+0000. Half of a surrogate pair is not a character. */
const isText = (value: string) => value.isWellFormed() && !value.includes('\0');

/** A text that the service stores, or compares with stored texts. */
export const text = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine(isText, rule('unstorable_text', 'holds U+0000 or half of a surrogate pair'));

/** Whether the service can store all texts in a piece of JSON, and nothing lies deeper than MAX_DEPTH. */
export function isStorable(value: unknown, depth = 0): boolean {
  if (typeof value === 'string') return isText(value);
  if (typeof value !== 'object' || value === null) return true;
  if (depth >= MAX_DEPTH) return false;
  return Object.entries(value).every(([key, each]) => isText(key) && isStorable(each, depth + 1));
}

/** Many clients send null for each optional member that has no value. */
export const optional = <T extends z.ZodType>(schema: T) =>
  schema
    .nullish()
    .transform((value): z.output<T> | undefined => value ?? undefined)
    .optional();

/** An instant as the service writes it: UTC, with milliseconds. */
export const instant = z.iso.datetime({ precision: 3 }).meta({ examples: ['2026-11-28T12:00:00.000Z'] });
