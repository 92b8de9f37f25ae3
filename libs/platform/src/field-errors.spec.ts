import { describe, expect, it } from '@jest/globals';
import { z } from 'zod';
import { fieldErrors, rule } from './field-errors.js';

/** The error texts that a caller gets for a value, by JSON pointer. */
function told(schema: z.ZodType, value: unknown): Record<string, string> {
  const { error } = schema.safeParse(value);
  return Object.fromEntries(fieldErrors(error!.issues).map(({ pointer, detail }) => [pointer, detail]));
}

describe('the error text', () => {
  it.each<[string, z.ZodType, unknown, string]>([
    ['a missing text', z.string(), undefined, 'is missing: it must be a string'],
    ['a missing object', z.record(z.string(), z.unknown()), undefined, 'is missing: it must be an object'],
    ['a value of another type', z.string(), 7, 'is a number: it must be a string'],
    ['a null', z.array(z.string()), null, 'is null: it must be an array'],
    ['a list', z.strictObject({}), [], 'is an array: it must be an object'],
    ['an object', z.boolean(), {}, 'is an object: it must be true or false'],
    ['a fraction', z.int(), 1.5, 'is a number: it must be a whole number'],
    ['a query that is not a number', z.coerce.number(), 'x', 'must be a number'],
    ['a text instead of a constant', z.literal('public-key'), 'x', 'must be "public-key"'],
    ['a missing constant', z.literal('public-key'), undefined, 'is missing: it must be "public-key"'],
    ['a value outside a list', z.enum(['done', 'not_done']), 'x', 'must be one of "done", "not_done"'],
    ['a long text', z.string().max(3), 'four', 'must have at most 3 characters'],
    ['an empty text', z.string().min(1), '', 'must not be empty'],
    ['a short text', z.string().min(2), 'a', 'must have at least 2 characters'],
    ['the wrong length', z.string().length(2), 'a', 'must have exactly 2 characters'],
    ['a long list', z.array(z.int()).max(1), [1, 2], 'must have at most 1 entry'],
    ['an empty list', z.array(z.int()).min(1), [], 'must not be empty'],
    ['a number that is too big', z.int().max(200), 201, 'must be at most 200'],
    ['a number that is too small', z.int().min(1), 0, 'must be at least 1'],
    ['a number at an exclusive lower limit', z.number().gt(0), 0, 'must be more than 0'],
    ['a number at an exclusive upper limit', z.number().lt(0), 0, 'must be less than 0'],
    ['a number that is not a multiple', z.int().multipleOf(5), 7, 'must be a multiple of 5'],
    ['a text that is not a UUID', z.uuid(), 'x', 'must be a UUID'],
    ['a text that is not an instant', z.iso.datetime(), 'x', 'must be an RFC 3339 instant'],
    ['a text that does not match', z.string().regex(/^a$/), 'x', 'has the wrong format'],
    ['a value that breaks a rule without a message', z.string().refine(() => false), 'x', 'is not allowed'],
    [
      'a value that breaks a rule with a message',
      z.string().refine(() => false, 'is no hex'),
      'x',
      'is no hex',
    ],
    ['an entry of a set', z.set(z.int()), new Set(['x']), 'is a string: it must be a number'],
    ['a text instead of a date', z.date(), 'x', 'is a string: it must be a date'],
    [
      'a value that fits both of two exclusive forms',
      z.xor([z.string(), z.string()]),
      'x',
      'has none of the allowed forms',
    ],
  ])('says what is wrong with %s', (_, schema, value, detail) =>
    expect(Object.values(told(schema, value))).toEqual([detail]),
  );

  it('lists unknown and known members, and hides names that may be secrets', () => {
    const schema = z.strictObject({ code: z.string() });
    expect(told(schema, { code: 'x', cod: 'y', CANARYXYZ: 1, '123456': 1 })).toEqual({
      '': 'has unknown members: *, cod; it may have code',
    });
  });

  it('hides the name of a member if the schema refuses the name', () => {
    const schema = z.record(z.string().max(3), z.unknown());
    expect(told(schema, { 'gw_secret-of-ours': 1 })).toEqual({ '/*': 'has a name that is not allowed' });
  });
});

describe('the errors of a value that has none of the allowed forms', () => {
  const bytes = z.string().max(4);
  const browser = z.strictObject({
    name: bytes,
    credential: z.object({ id: bytes, type: z.literal('key') }),
  });
  const provider = z.strictObject({
    name: bytes,
    challenge: bytes,
    attestation: z.strictObject({ id: bytes }),
  });
  const own = 'is neither {name, credential} nor {name, challenge, attestation}';
  const list = z.object({ list: z.array(z.union([browser, provider], own)) });

  it.each<[string, unknown, Record<string, string>]>([
    [
      'if it has one form with a wrong member deep inside',
      { name: 'x', credential: { id: 7, type: 'key' } },
      { '/list/0/credential/id': 'is a number: it must be a string' },
    ],
    [
      'if it has one form, and the wrong member belongs to both forms',
      { name: 7, credential: { id: 'x', type: 'key' } },
      { '/list/0/name': 'is a number: it must be a string' },
    ],
    [
      'if it has the other form with one member missing',
      { name: 'x', challenge: 'x' },
      { '/list/0/attestation': 'is missing: it must be an object' },
    ],
    [
      'if it has one form with an unknown member',
      { name: 'x', credential: { id: 'x', type: 'key' }, extra: 1 },
      { '/list/0': 'has unknown members: extra; it may have name, credential' },
    ],
    ['if it mixes both forms', { name: 'x', credential: {}, challenge: 'x' }, { '/list/0': own }],
    [
      'if its only member belongs to both forms and is wrong',
      { name: 7 },
      { '/list/0': own, '/list/0/name': 'is a number: it must be a string' },
    ],
    [
      'if it has no member of either form',
      {},
      { '/list/0': own, '/list/0/name': 'is missing: it must be a string' },
    ],
  ])('name the faults that help most %s', (_, value, faults) =>
    expect(told(list, { list: [value] })).toEqual(faults),
  );

  it('name the faults of one form if only that form has the type of the value', () => {
    const schema = z.union([z.string().max(2), z.object({ code: z.string() })]);
    expect(told(schema, { code: 7 })).toEqual({ '/code': 'is a number: it must be a string' });
    expect(told(schema, 'long')).toEqual({ '': 'must have at most 2 characters' });
    expect(told(schema, 7)).toEqual({ '': 'has none of the allowed forms' });
  });

  it('list the known kinds if the kind of the value is unknown', () => {
    const kind = (type: string) => z.object({ type: z.literal(type), value: z.string() });
    const schema = z.discriminatedUnion('type', [kind('email'), kind('phone')]);
    expect(told(schema, { type: 'fax' })).toEqual({ '/type': 'must be one of "email", "phone"' });
    expect(told(schema, { type: 'email' })).toEqual({ '/value': 'is missing: it must be a string' });
  });
});

describe('the code of a fault', () => {
  const codeOf = (schema: z.ZodType) => fieldErrors(schema.safeParse('x').error!.issues)[0]?.code;

  it('is zod’s code, or for a rule of our own the code that the rule names', () => {
    expect(codeOf(z.int())).toBe('invalid_type');
    expect(codeOf(z.string().refine(() => false, rule('unstorable_text', 'is no text')))).toBe(
      'unstorable_text',
    );
  });

  it('is invalid_value if a rule names no code, or an unknown code', () => {
    expect(codeOf(z.string().refine(() => false))).toBe('invalid_value');
    expect(codeOf(z.string().refine(() => false, { params: { code: 'new' } }))).toBe('invalid_value');
  });
});
