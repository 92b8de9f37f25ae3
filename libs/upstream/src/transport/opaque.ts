import { z } from 'zod';

/**
 * Values that the service only stores: printable ASCII of limited length. PostgreSQL cannot store U+0000 or
 * half of a surrogate pair, so an attempt with such a value could not end.
 */
const printable = (max: number) =>
  z
    .string()
    .max(max, 'is too long')
    .regex(/^[\x20-\x7e]+$/, 'is not printable ASCII');

/** The schema of an id. */
export const opaqueId = printable(512);

/** The schema of a token or a key bundle. */
export const opaqueText = printable(16_384);

/** More ids than any request asks for. */
export const opaqueIds = z.array(opaqueId).max(100);
