import { randomUUID } from 'node:crypto';

/**
 * Makes a UUID of version 7 (RFC 9562 §5.7): 48 bits of Unix milliseconds, then 74 random bits. Newer ids
 * sort after older ones, so a primary key's index grows at its end.
 *
 * @returns the lowercase 36-character form.
 */
export function uuidV7(nowMs: number): string {
  // After the digit of the version, version 4 (random) has the form of version 7.
  return `${timePrefix(nowMs)}-7${randomUUID().slice(15)}`;
}

const LATEST_MS = 2 ** 48 - 1;

/** A time out of range becomes the nearest one in range. */
function timePrefix(ms: number): string {
  const hex = Math.trunc(Math.min(Math.max(ms, 0), LATEST_MS))
    .toString(16)
    .padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}`;
}

/** @returns Unix milliseconds. */
export function timeOfUuidV7(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

/** All ids of earlier milliseconds sort before it. */
export function lowestUuidV7(ms: number): string {
  return `${timePrefix(ms)}-7000-8000-000000000000`;
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Any version, in upper or lower case (RFC 9562 §4). */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}
