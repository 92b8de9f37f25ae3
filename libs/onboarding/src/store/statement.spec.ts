import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { writtenColumns } from './read-row.js';
import { statement, type Statement } from './statement.js';

const FOLDER = join(import.meta.dirname, 'statements');

/** The columns that a statement reads from a JSON parameter. */
const TAKEN = /jsonb?_to_record(?:set)?\(\$\d+::jsonb?\) AS [wg] \((.*?)\)/gs;

describe('a statement', () => {
  const one = statement('one', 'SELECT $name::text, $list::jsonb, $name::text WHERE $id::uuid IS NULL');

  it('gives each parameter name one number', () => {
    expect(one.text).toBe('SELECT $1::text, $2::jsonb, $1::text WHERE $3::uuid IS NULL');
  });

  it('puts values in the order of its parameters, and ignores other values', () => {
    expect(one.bind({ id: 'i', other: 1, name: 'n', list: [] })).toEqual(['n', '[]', 'i']);
  });

  // Without JSON text, pg would pass an array as a PostgreSQL array, and a string without quotes.
  it.each([
    [[], '[]'],
    ['text', '"text"'],
    [null, null],
  ])('passes %j for JSON as %j', (list, handed) => {
    expect(one.bind({ name: null, list, id: null })).toEqual([null, handed, null]);
  });

  it('throws if the value of a parameter is missing', () => {
    expect(() => one.bind({ name: 'n', id: 'i' })).toThrow('statement "one" has no value for "list"');
  });
});

describe('the statements of the store', () => {
  const all = async () => {
    const modules = await Promise.all(
      readdirSync(FOLDER).map((file) => import(join(FOLDER, file)) as Promise<Record<string, Statement>>),
    );
    return modules.flatMap((module) => Object.values(module));
  };

  it('read from the JSON of a row only columns that this JSON contains', async () => {
    const anyValue = new Proxy({}, { get: () => 1 });
    const handed = [...Object.keys(writtenColumns(anyValue)), 'keeps', 'seen_version', 'seen_seq', 'events'];
    const records = (await all()).flatMap(({ text }) => [...text.matchAll(TAKEN)]);
    expect(records).toHaveLength(6);
    for (const [, columns] of records) {
      const names = columns!.split(',').map((column) => column.trim().split(' ')[0]);
      expect(handed).toEqual(expect.arrayContaining(names));
    }
  });

  it('have unique names that are short enough for PostgreSQL', async () => {
    const names = (await all()).map(({ name }) => name);
    expect(names.length).toBeGreaterThan(30);
    expect(new Set(names).size).toBe(names.length);
    for (const name of names) expect(Buffer.byteLength(name)).toBeLessThanOrEqual(63);
  });
});
