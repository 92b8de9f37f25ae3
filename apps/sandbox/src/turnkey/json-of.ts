import type { z } from 'zod';
import { refusals } from './refusals.js';

export function jsonObject(raw: unknown): Record<string, unknown> | null {
  if (!Buffer.isBuffer(raw)) return null;
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(raw));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

/** @returns the member if it is a non-empty string; otherwise null */
export function textIn(object: unknown, name: string): string | null {
  const value = (object as Record<string, unknown> | null | undefined)?.[name];
  return typeof value === 'string' && value !== '' ? value : null;
}

/** @throws TurnkeyRefusal 400 with a text that names the field, or that says `invalid email address` */
export function checked<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  if (issue?.code === 'invalid_format' && issue.format === 'email') throw refusals.invalidEmail();
  throw refusals.badRequest(`${issue?.path.join('.') || 'body'}: ${issue?.message ?? 'invalid'}`);
}
