import { hasDuplicateMembers, isUncoded, listMembers, mediaTypes } from '#libs/kernel';
import { httpDate } from './http-date.js';
import { UpstreamError, type FailureClass, type RejectionReason } from '../port/upstream-error.js';
import type { HttpAnswer } from './http-client.js';

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

/** @returns the failure if this status means the same at each provider, otherwise null. */
export function commonFailure(answer: HttpAnswer): UpstreamError | null {
  const { status } = answer;
  const is = (failure: FailureClass) => failureOf(answer, failure, `upstream answered ${status}`);
  if (status >= 500) return is(status === 503 && retryAfter(answer) !== null ? 'throttled' : 'unavailable');
  if (status === 429) return is('throttled');
  if (status === 408) return is('no_answer');
  if (status === 401 || status === 403) return is('misconfigured');
  // Not followed, because a redirect would send a signed request and a user's code to another host.
  if (status >= 300 && status < 400) return is('misconfigured');
  return null;
}

const SECONDS = /^[\t ]*\d+(?:[\t ]*,[\t ]*\d+)*[\t ]*$/;

/**
 * Reads both forms of the header Retry-After (RFC 9110 §10.2.3).
 *
 * @returns the wait in ms, or null if the header is absent or malformed.
 */
export function retryAfter(answer: Pick<HttpAnswer, 'headers'>, nowMs = Date.now()): number | null {
  const waits = [answer.headers['retry-after'] ?? []].flat().flatMap((value) => {
    if (SECONDS.test(value)) return listMembers(value).map((seconds) => Number(seconds) * 1_000);
    const at = httpDate(value);
    return at === null ? [] : [Math.max(0, at - nowMs)];
  });
  // If the header is present twice, the longer wait is safer.
  return waits.length === 0 ? null : Math.max(...waits);
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

const JSON_TYPE = /^application\/(?:[\w!#$&^.+-]+\+)?json$/;

/** The service needs only answers with at most ten levels. */
const MAX_DEPTH = 32;

/**
 * Reads the JSON of a 2xx answer.
 *
 * @returns undefined unless the answer is declared as JSON, is valid UTF-8, and has no duplicate members or
 *   deep nesting. It must also be uncompressed, because a small compressed body could become huge.
 */
export function wholeJson({ headers, text, garbled }: HttpAnswer): unknown {
  if (garbled || !isUncoded(headers['content-encoding'])) return undefined;
  // If the content type is present twice, both values must be JSON.
  const types = mediaTypes(headers['content-type']);
  if (types.length === 0 || !types.every((type) => JSON_TYPE.test(type))) return undefined;
  // First, because code that visits a deeply nested value could overflow the stack.
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

/** The part of an error text to search. It is short, because an attacker could send a long text. */
export const beginningOf = (text: string): string => text.slice(0, SENTENCE_CHARACTERS);
