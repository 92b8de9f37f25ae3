/** Marks for schemas of requests and answers. Only the builder of the OpenAPI document reads them. */

/** Marks an object whose members are alternatives: a request must have exactly one of them. */
export const EXACTLY_ONE = 'x-exactly-one';

/** Marks a member whose schema is not in the DTO: `subject`, or the options of a code (`otp`, `resend`). */
export const BY_PROVIDER = 'x-by-provider';

/**
 * Marks the body that "Try it out" sends. `examples` is no help, because zod loses `examples` if a schema
 * transforms its value.
 */
export const EXAMPLE = 'x-example';
