import { Secret } from '#libs/kernel';

const LONGEST = 300;
/** The rest of a longer text is dropped. */
const LOOKED_AT = 2_000;
/** Shorter values are not removed, because they occur inside many words. */
const SHORTEST_VALUE = 4;
/** Longer values contain encoded bytes, not words. */
const LONGEST_OF_WORDS = 256;
/** These members' values stay in the text, because they come from fixed lists. */
const OF_WORDS: ReadonlySet<string> = new Set(['type', 'transports', 'otpType']);

/**
 * Removes the values that we sent from the provider's text, because no pattern can recognize a one-time code
 * that consists of letters. Also removes single words of a value, and the local part of an email address,
 * where they occur as whole words. Cuts a long text.
 */
export function withoutValues(text: Secret, given: readonly unknown[]): Secret {
  const values = new Set<string>();
  const words = new Set<string>();
  const collect = (value: unknown): void => {
    if (value instanceof Secret) return collect(value.reveal());
    if (typeof value === 'string' && value.length >= SHORTEST_VALUE) {
      values.add(value).add(encodeURIComponent(value)).add(JSON.stringify(value).slice(1, -1));
      if (value.length <= LONGEST_OF_WORDS) wordsOf(value).forEach((word) => words.add(word));
    } else if (typeof value === 'object' && value !== null) {
      for (const [name, member] of Object.entries(value)) if (!OF_WORDS.has(name)) collect(member);
    }
  };
  given.forEach(collect);
  const forms = [
    ...[...values].map((value) => ({ value, pattern: escaped(value), flags: 'gi' })),
    ...[...words].map((value) => ({
      value,
      pattern: `${NO_LETTER_BEFORE}${escaped(value)}${NO_LETTER_AFTER}`,
      flags: 'giu',
    })),
  ];
  // A long value may contain a short one.
  const longestFirst = forms.toSorted((one, other) => other.value.length - one.value.length);
  const whole = text.reveal();
  const removed = longestFirst.reduce(
    (left, { pattern, flags }) => left.replaceAll(new RegExp(pattern, flags), '<sent>'),
    begin(whole),
  );
  return new Secret(whole.length > LOOKED_AT ? withoutBegun(removed, values) : removed);
}

/** If the text ends with the first characters of a value, removes these characters. */
function withoutBegun(text: string, values: Iterable<string>): string {
  const lower = text.toLowerCase();
  const lengths = [...values].map((value) => {
    const begun = value.slice(0, LONGEST_OF_WORDS).toLowerCase();
    for (let length = begun.length; length >= SHORTEST_VALUE; length--)
      if (lower.endsWith(begun.slice(0, length))) return length;
    return 0;
  });
  return text.slice(0, text.length - Math.max(0, ...lengths));
}

const NO_LETTER_BEFORE = String.raw`(?<![\p{L}\p{M}\p{N}])`;
const NO_LETTER_AFTER = String.raw`(?![\p{L}\p{M}\p{N}])`;
/** Stays in the text, because the placeholder `<sent>` contains it. */
const NO_WORD = 'sent';

/** Words of three letters or more, and the part before an `@`. A part of an id is no word. */
function wordsOf(value: string): string[] {
  const words = value.split(/[^\p{L}\p{M}\p{N}]+/u).filter((part) => /^[\p{L}\p{M}]{3,}$/u.test(part));
  const [, local] = /(?:^|[\s<])([^\s<>@]{3,})@/u.exec(value) ?? [];
  return [...words, ...(local === undefined ? [] : [local])].filter((word) => word.toLowerCase() !== NO_WORD);
}

const escaped = (value: string) => value.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);

/**
 * Removes personal data and secrets from a refusal's text, so that operators may read it. It keeps only what
 * looks like English words or names of fields. Placeholders replace the rest, so texts that differ only in
 * values become equal.
 *
 * @returns at most 300 characters.
 */
export function redacted(text: string): string {
  return begin(text)
    .normalize('NFKC')
    .replaceAll(/[\p{C}\s]+/gu, ' ')
    .replaceAll(/\b[a-z][a-z0-9+.-]{0,31}:\/\/[^\s"'<>]+/gi, '<url>')
    .replaceAll(/"[^"@]{0,256}"@\S+|[^\s"<>()[\],;:\\]{0,256}(?:@|%40)[^\s"<>()[\],;:\\]{0,256}/gi, '<email>')
    .replaceAll(/\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/gi, '<id>')
    .replaceAll(/\+?(?:\p{N}[\s().\-/,;:]*){4,}/gu, '<number> ')
    .replaceAll(/<(?:sent|url|email|id|number)>|[\p{L}\p{M}\p{N}_+/=%~.-]+/gu, placeholderOr)
    .replaceAll(/(?<mark><\w+>)(?:\s?\k<mark>)+/g, '$<mark>')
    .replaceAll(/ +/g, ' ')
    .trim()
    .slice(0, LONGEST)
    .toWellFormed();
}

/** Drops the last word of a cut text, because no rule recognizes half a value. */
function begin(text: string): string {
  if (text.length <= LOOKED_AT) return text;
  return text.slice(0, LOOKED_AT).replace(/[\p{L}\p{M}\p{N}_+/=%~.@-]{1,256}$/u, '');
}

/** Words such as `invalid`, `OTP`, `Invalid`, `accountId`. */
const WORD = /^(?:[A-Za-z]?[a-z]{0,20}|[A-Z]{1,5}|[a-z]{2,12}(?:[A-Z][a-z]{1,12}){1,4})$/;
/** A name of an error, such as `MAX_OTP_INITIATED`. */
const CONSTANT = /^[A-Z]{2,16}(?:_[A-Z]{2,16})+$/;
const WITHOUT_VOWEL = /^[^aeiouy]{5,}$/i;
const SMALL_NUMBER = /^\d{1,3}$/;

function placeholderOr(run: string): string {
  if (run.startsWith('<') || CONSTANT.test(run)) return run;
  const parts = run.split(/[_+/=%~.-]+/).filter(Boolean);
  const isPlain = parts.every(
    (part) => SMALL_NUMBER.test(part) || (WORD.test(part) && !WITHOUT_VOWEL.test(part)),
  );
  if (isPlain) return run;
  return parts.every((part) => /^[A-Za-z]+$/.test(part)) ? '<word>' : '<id>';
}
