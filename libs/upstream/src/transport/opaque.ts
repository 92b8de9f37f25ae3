import { z } from 'zod';

/**
 * What upstream makes up and we only keep. It is printable ASCII, which nothing chokes on: PostgreSQL stores neither
 * U+0000 nor half a surrogate pair, so that a settle with one in it could never be written. And it has an end.
 */
const printable = (max: number) =>
  z
    .string()
    .max(max, 'is too long')
    .regex(/^[\x20-\x7e]+$/, 'is not printable ASCII');

/** An id. */
export const opaqueId = printable(512);

/** A token, or a bundle of keys. */
export const opaqueText = printable(16_384);

/** Ids of what was made by one request: more than anybody asks for at once. */
export const opaqueIds = z.array(opaqueId).max(100);
