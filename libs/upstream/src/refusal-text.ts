import { Secret } from '#libs/kernel';

const LONGEST = 300;
/** A shorter value is part of too many words. */
const SHORTEST_VALUE = 4;
/** Members whose values come from fixed lists of words. */
const OF_WORDS: ReadonlySet<string> = new Set(['type', 'transports', 'otpType']);

/**
 * Removes values that we have sent, exactly as they are: no rule about forms knows a code of letters.
 *
 * @param given any JSON values, also with secrets.
 */
export function withoutValues(text: Secret, given: readonly unknown[]): Secret {
  const values = new Set<string>();
  const collect = (value: unknown): void => {
    if (value instanceof Secret) return collect(value.reveal());
    if (typeof value === 'string' && value.length >= SHORTEST_VALUE) {
      values.add(value).add(encodeURIComponent(value)).add(JSON.stringify(value).slice(1, -1));
    } else if (typeof value === 'object' && value !== null) {
      for (const [name, member] of Object.entries(value)) if (!OF_WORDS.has(name)) collect(member);
    }
  };
  given.forEach(collect);
  // A long value may contain a short one.
  const longestFirst = [...values].toSorted((one, other) => other.length - one.length);
  return new Secret(
    longestFirst.reduce(
      (left, value) => left.replaceAll(new RegExp(escaped(value), 'gi'), '<sent>'),
      text.reveal(),
    ),
  );
}

const escaped = (value: string) => value.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);

/**
 * A refusal's text without personal data and secrets, for operators. It keeps only what looks like words of
 * English or names of fields. All else becomes a placeholder, so that texts that differ in values are equal.
 *
 * @returns at most 300 characters.
 */
export function redacted(text: string): string {
  return text
    .normalize('NFKC')
    .replaceAll(/[\p{C}\s]+/gu, ' ')
    .replaceAll(/\b[a-z][a-z0-9+.-]*:\/\/[^\s"'<>]+/gi, '<url>')
    .replaceAll(/"[^"@]*"@\S+|[^\s"<>()[\],;:\\]*(?:@|%40)[^\s"<>()[\],;:\\]*/gi, '<email>')
    .replaceAll(/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi, '<id>')
    .replaceAll(/\+?(?:\p{N}[\s().\-/]*){4,}/gu, '<number> ')
    .replaceAll(/<(?:sent|url|email|id|number)>|[\p{L}\p{M}\p{N}_+/=%~.-]+/gu, placeholderOr)
    .replaceAll(/(?<mark><\w+>)(?:\s?\k<mark>)+/g, '$<mark>')
    .replaceAll(/ +/g, ' ')
    .trim()
    .slice(0, LONGEST);
}

/** `invalid`, `OTP`, `Invalid`, `accountId`. */
const WORD = /^(?:[A-Za-z]?[a-z]{0,20}|[A-Z]{1,5}|[a-z]{2,12}(?:[A-Z][a-z]{1,12}){1,4})$/;
/** A name of an error, such as `MAX_OTP_INITIATED`. */
const CONSTANT = /^[A-Z]{2,16}(?:_[A-Z]{2,16})+$/;
const WITHOUT_VOWEL = /^[^aeiouy]{5,}$/i;
const SMALL_NUMBER = /^\d{1,3}$/;

/** Keeps a run of characters if each of its parts is a word or a small number. */
function placeholderOr(run: string): string {
  if (run.startsWith('<') || CONSTANT.test(run)) return run;
  const parts = run.split(/[_+/=%~.-]+/).filter(Boolean);
  const isPlain = parts.every(
    (part) => SMALL_NUMBER.test(part) || (WORD.test(part) && !WITHOUT_VOWEL.test(part)),
  );
  if (isPlain) return run;
  return parts.every((part) => /^[A-Za-z]+$/.test(part)) ? '<word>' : '<id>';
}
