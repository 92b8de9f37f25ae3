import { Misuse } from './command.js';

const MS_OF_UNIT = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Reads `90d`, `24h`, `30m`, `45s` or `0`. @returns milliseconds. @throws Misuse that names the option. */
export function durationOf(text: string, option: string): number {
  if (text === '0') return 0;
  const [, number, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (!number || !unit) throw new Misuse(`--${option} takes a duration such as 90d, 24h, 30m or 45s.`);
  return Number(number) * MS_OF_UNIT[unit as keyof typeof MS_OF_UNIT];
}
