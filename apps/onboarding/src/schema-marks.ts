/** Marks in the schemas of requests and answers. Only the builder of the OpenAPI document reads them. */

/** On an object: a request has exactly one of these members. */
export const EXACTLY_ONE = 'x-exactly-one';

/** On a member that the provider defines: `subject` or `otp`. */
export const BY_PROVIDER = 'x-by-provider';

/** On a request: the body that "Try it out" sends. zod drops `examples` of a schema that transforms. */
export const EXAMPLE = 'x-example';
