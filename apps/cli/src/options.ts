import { Misuse, type Values } from './command.js';

/** An option that takes a text. */
export const text = { type: 'string' } as const;

export function optional(values: Values, name: string): string | undefined {
  const value = values[name];
  return typeof value === 'string' ? value : undefined;
}

/** @throws Misuse that names the option. */
export function required(values: Values, name: string): string {
  const value = optional(values, name);
  if (!value) throw new Misuse(`--${name} is missing.`);
  return value;
}
