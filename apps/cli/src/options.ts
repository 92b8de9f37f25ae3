import { Misuse, type Values } from './command.js';

export const flag = { type: 'boolean' } as const;

export const text = { type: 'string' } as const;

export function optional(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

export function required(values: Values, name: string): string {
  const value = optional(values, name);
  if (!value) throw new Misuse(`--${name} is missing.`);
  return value;
}

export const listed = (values: Values, name: string): string[] | undefined =>
  optional(values, name)
    ?.split(',')
    .map((each) => each.trim())
    .filter(Boolean);

export function wholeNumber(values: Values, name: string, max: number, fallback: number): number {
  const given = optional(values, name);
  if (given === undefined) return fallback;
  const number = /^\d{1,6}$/.test(given) ? Number(given) : 0;
  if (number >= 1 && number <= max) return number;
  throw new Misuse(`--${name} takes a whole number from 1 to ${max}.`);
}
