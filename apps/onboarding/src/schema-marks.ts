/** Only the builder of the OpenAPI document reads these marks. */

/** An object whose members are alternatives: a request must have exactly one of them. */
export const EXACTLY_ONE = 'x-exactly-one';

/** A member whose schema is not in the DTO: `subject`, or the options of a code (`otp`, `resend`). */
export const BY_PROVIDER = 'x-by-provider';

/** The body that "Try it out" sends. Zod loses `examples` if a schema transforms its value. */
export const EXAMPLE = 'x-example';
