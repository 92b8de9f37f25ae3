import { z } from 'zod';

/**
 * Values that the service only stores: printable ASCII of limited length. PostgreSQL would refuse to store an
 * attempt whose values contain U+0000 or half of a surrogate pair.
 */
const printable = (max: number) =>
  z
    .string()
    .max(max, 'is too long')
    .regex(/^[\x20-\x7e]+$/, 'is not printable ASCII');

export const opaqueId = printable(512);

export const opaqueText = printable(16_384);

/** All requests ask for fewer ids. */
export const opaqueIds = z.array(opaqueId).max(100);
