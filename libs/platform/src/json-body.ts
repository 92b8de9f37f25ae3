import type { FastifyInstance } from 'fastify';
import { ProblemError } from '#libs/kernel';

/** Each value takes time to parse and check, even if it is short. Ten passkeys have some 300 values. */
const MOST_VALUES = 8192;

/** Replaces Fastify's error, whose code Nest would lose, and whose text may repeat the body. */
const notJson = () =>
  new ProblemError('validation_failed', {
    detail: 'The body is not valid JSON, or it has a member "__proto__".',
  });

export function limitJsonValues(fastify: FastifyInstance): void {
  const parse = fastify.getDefaultJsonParser('error', 'error');
  fastify.removeContentTypeParser('application/json');
  fastify.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (!hasTooManyValues(body)) {
      return parse(request, body, (error, value) => (error ? done(notJson()) : done(null, value)));
    }
    const detail = `The body contains more than ${MOST_VALUES} values.`;
    done(new ProblemError('payload_too_large', { detail }));
  });
}

/**
 * Counts commas, brackets and braces, because one of them precedes each value after the first. Those inside
 * texts count too.
 */
function hasTooManyValues(json: string): boolean {
  let left = MOST_VALUES;
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if ((code === COMMA || code === BRACKET || code === BRACE) && --left < 0) return true;
  }
  return false;
}

const [COMMA, BRACKET, BRACE] = [0x2c, 0x5b, 0x7b];
