import { z } from 'zod';
import { shownMember } from './shown.js';

type RawIssue = z.core.$ZodRawIssue;

const TYPE_NAMES: Readonly<Record<string, string>> = {
  array: 'an array',
  bigint: 'a whole number',
  boolean: 'true or false',
  date: 'a date',
  int: 'a whole number',
  nan: 'no number',
  null: 'null',
  number: 'a number',
  object: 'an object',
  record: 'an object',
  string: 'a string',
  tuple: 'an array',
};

const FORMATS: Readonly<Record<string, string>> = {
  base64: 'base64',
  base64url: 'base64url',
  date: 'a date',
  datetime: 'an RFC 3339 instant',
  e164: 'a phone number in E.164',
  email: 'an e-mail address',
  guid: 'a UUID',
  ipv4: 'an IPv4 address',
  ipv6: 'an IPv6 address',
  uuid: 'a UUID',
  url: 'a URL',
};

const UNITS: Readonly<Record<string, string>> = {
  array: 'entry',
  map: 'entry',
  set: 'entry',
  string: 'character',
};

const nameOf = (type: string): string => TYPE_NAMES[type] ?? 'another type';

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  return Number.isNaN(value) ? 'nan' : typeof value;
}

function wrongType(expected: string, input: unknown): string {
  if (input === undefined) return `is missing: it must be ${nameOf(expected)}`;
  // Query parameters are converted to numbers before this check. A text that is not a number becomes NaN.
  if (Number.isNaN(input)) return `must be ${nameOf(expected)}`;
  return `is ${nameOf(typeOf(input))}: it must be ${nameOf(expected)}`;
}

function amount(count: number | bigint, origin: string): string {
  const unit = UNITS[origin];
  if (!unit) return String(count);
  return count === 1 ? `1 ${unit}` : `${count} ${unit === 'entry' ? 'entries' : `${unit}s`}`;
}

function wrongSize(issue: RawIssue & { code: 'too_big' | 'too_small' }): string {
  const big = issue.code === 'too_big';
  const limit = big ? issue.maximum : issue.minimum;
  const verb = UNITS[issue.origin] ? 'have' : 'be';
  if (issue.exact) return `must ${verb} exactly ${amount(limit, issue.origin)}`;
  if (!big && verb === 'have' && limit === 1) return 'must not be empty';
  if (issue.inclusive === false) return `must be ${big ? 'less' : 'more'} than ${limit}`;
  return `must ${verb} ${big ? 'at most' : 'at least'} ${amount(limit, issue.origin)}`;
}

const oneOf = (values: readonly unknown[]) => {
  const shown = values.map((value) => (typeof value === 'string' ? `"${value}"` : String(value)));
  return shown.length === 1 ? shown[0]! : `one of ${shown.join(', ')}`;
};

/** Hides names that may be misplaced secrets. */
function unknownMembers(issue: RawIssue & { code: 'unrecognized_keys' }): string {
  const unknown = [...new Set(issue.keys.map(shownMember))].join(', ');
  const known = issue.inst instanceof z.ZodObject ? Object.keys(issue.inst.shape as object) : [];
  const said = `has unknown members: ${unknown}`;
  return known.length === 0 ? said : `${said}; it may have ${known.join(', ')}`;
}

/** The text for a failed check that has no text of its own. */
function schemaWords(issue: RawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return wrongType(issue.expected, issue.input);
    case 'invalid_value':
      return `${issue.input === undefined ? 'is missing: it ' : ''}must be ${oneOf(issue.values)}`;
    case 'too_big':
    case 'too_small':
      return wrongSize(issue);
    case 'invalid_format':
      return FORMATS[issue.format] ? `must be ${FORMATS[issue.format]}` : 'has the wrong format';
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`;
    case 'unrecognized_keys':
      return unknownMembers(issue);
    case 'invalid_key':
      return 'has a name that is not allowed';
    case 'invalid_element':
      return 'has an entry that is not allowed';
    case 'invalid_union':
      return Array.isArray(issue.options) && issue.options.length > 0
        ? `must be ${oneOf(issue.options)}`
        : 'has none of the allowed forms';
    default:
      return 'is not allowed';
  }
}

// Replaces zod's own texts in every schema of the process, because they are for developers.
z.config({ localeError: schemaWords });
