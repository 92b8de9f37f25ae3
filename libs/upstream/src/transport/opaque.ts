import { z } from 'zod';

/** For values that the service only stores. PostgreSQL refuses U+0000 and halves of surrogate pairs. */
const printable = (max: number) =>
  z
    .string()
    .max(max, 'is too long')
    .regex(/^[\x20-\x7e]+$/, 'is not printable ASCII');

export const opaqueId = printable(512);

export const opaqueText = printable(16_384);

/** All requests ask for fewer ids. */
export const opaqueIds = z.array(opaqueId).max(100);
