/** Marks in the schemas of requests and answers that only the OpenAPI document reads. */

/** On an object: exactly one of these members is given. */
export const EXACTLY_ONE = 'x-exactly-one';

/** On a member whose form is the provider's: `subject` or `otp`. */
export const BY_PROVIDER = 'x-by-provider';

/** On a request: what "Try it out" sends. zod drops `examples` of a schema that transforms. */
export const EXAMPLE = 'x-example';
