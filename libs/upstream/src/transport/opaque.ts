import { z } from 'zod';

/**
 * Values that upstream makes and the service only stores. They must be printable ASCII of limited length.
 * PostgreSQL cannot store U+0000 or half of a surrogate pair, so an attempt with such a value could not end.
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

/** The schema of the ids in one answer. The limit is higher than the number that any request asks for. */
export const opaqueIds = z.array(opaqueId).max(100);
