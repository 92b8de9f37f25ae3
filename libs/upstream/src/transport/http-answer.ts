import { hasDuplicateMembers, isUncoded, listMembers, mediaTypes } from '#libs/kernel';
import { httpDate } from './http-date.js';
import { UpstreamError, type FailureClass, type RejectionReason } from '../port/upstream-error.js';
import type { HttpAnswer } from './http-client.js';

/** Makes the failure for an answer, with the evidence of that answer. */
export function failureOf(
  answer: HttpAnswer,
  failure: FailureClass,
  detail: string,
  reason?: RejectionReason,
): UpstreamError {
  const retryAfterMs = retryAfter(answer);
  return new UpstreamError(failure, {
    detail,
    evidence: answer.evidence,
    ...(reason && { reason }),
    ...(retryAfterMs !== null && { retryAfterMs }),
  });
}

/**
 * @returns the failure if the status means the same at every provider. Otherwise null: the provider's class
 * reads the text.
 */
export function commonFailure(answer: HttpAnswer): UpstreamError | null {
  const { status } = answer;
  const is = (failure: FailureClass) => failureOf(answer, failure, `upstream answered ${status}`);
  if (status >= 500) return is(status === 503 && retryAfter(answer) !== null ? 'throttled' : 'unavailable');
  if (status === 429) return is('throttled');
  if (status === 408) return is('no_answer');
  if (status === 401 || status === 403) return is('misconfigured');
  // Redirects are never followed. A redirect would send a signed request and a user's code elsewhere.
  if (status >= 300 && status < 400) return is('misconfigured');
  return null;
}

const SECONDS = /^[\t ]*\d+(?:[\t ]*,[\t ]*\d+)*[\t ]*$/;

/**
 * RFC 9110 §10.2.3, both forms.
 *
 * @returns milliseconds from now, or null if the header is absent or malformed.
 */
export function retryAfter(answer: Pick<HttpAnswer, 'headers'>, nowMs = Date.now()): number | null {
  const waits = [answer.headers['retry-after'] ?? []].flat().flatMap((value) => {
    if (SECONDS.test(value)) return listMembers(value).map((seconds) => Number(seconds) * 1_000);
    const at = httpDate(value);
    return at === null ? [] : [Math.max(0, at - nowMs)];
  });
  // If the header is given twice, the longer wait is the safe one.
  return waits.length === 0 ? null : Math.max(...waits);
}

/** The parsed JSON, or undefined if the text is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

const JSON_TYPE = /^application\/(?:[\w!#$&^.+-]+\+)?json$/;

/** Answers that the service needs are at most ten levels deep. */
const MAX_DEPTH = 32;

/**
 * The JSON of a 2xx answer that is declared as JSON, uncompressed, valid UTF-8, and without duplicate
 * members. A small compressed body could be huge in memory.
 *
 * @returns undefined if the answer is not intact.
 */
export function wholeJson({ headers, text, garbled }: HttpAnswer): unknown {
  if (garbled || !isUncoded(headers['content-encoding'])) return undefined;
  // If the content type is given twice, both must be JSON.
  const types = mediaTypes(headers['content-type']);
  if (types.length === 0 || !types.every((type) => JSON_TYPE.test(type))) return undefined;
  // Before parsing: code that visits a deep value could overflow the stack.
  if (isNestedDeeper(text, MAX_DEPTH)) return undefined;
  const value = parseJson(text);
  return hasDuplicateMembers(text, value) ? undefined : value;
}

function isNestedDeeper(text: string, max: number): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (inString) {
      if (character === '\\') at++;
      else if (character === '"') inString = false;
    } else if (character === '"') inString = true;
    else if (character === '{' || character === '[') {
      if (++depth > max) return true;
    } else if (character === '}' || character === ']') depth--;
  }
  return false;
}

const SENTENCE_CHARACTERS = 500;

/** An error's text is one sentence. An attacker could make the rest very long. */
export const beginningOf = (text: string): string => text.slice(0, SENTENCE_CHARACTERS);
