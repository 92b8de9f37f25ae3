import { z } from 'zod';

/**
 * Values that upstream makes and we only keep. They must be printable ASCII of limited length. PostgreSQL
 * stores neither U+0000 nor half a surrogate pair, so a settle with one of these could never be written.
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

/** Ids that one request made. The limit is more than any request asks for. */
export const opaqueIds = z.array(opaqueId).max(100);
