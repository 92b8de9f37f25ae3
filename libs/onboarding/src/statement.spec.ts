import { describe, expect, it } from '@jest/globals';
import { Bindings, assignments, columnsOf, fromNow, prepared, sql } from './statement.js';

describe('assignments', () => {
  it('bind each value with its column’s type, in the order given', () => {
    const bindings = new Bindings();
    const written = assignments(
      {
        state: 'otp_sent',
        unresolved: [],
        otpHandle: null,
        attempt: sql('o.attempt + 1'),
        leaseUntil: fromNow(500),
      },
      bindings,
    );
    expect(written).toEqual([
      { column: 'state', value: '$1::text' },
      { column: 'unresolved', value: '$2::jsonb' },
      { column: 'otp_handle', value: '$3::text' },
      { column: 'attempt', value: 'o.attempt + 1' },
      { column: 'lease_until', value: `clock_timestamp() + $4::float8 * interval '1 millisecond'` },
    ]);
    // An array handed to pg as it is would become a PostgreSQL array, and a string no JSON string.
    expect(bindings.values).toEqual(['otp_sent', '[]', null, 500]);
  });

  it('tell null in JSON from no JSON at all', () => {
    const bindings = new Bindings();
    bindings.bind(null, 'jsonb');
    bindings.bind('text', 'jsonb');
    expect(bindings.values).toEqual([null, '"text"']);
  });

  it('refuse what is no column', () => {
    expect(() => assignments({ colour: 'red' } as never, new Bindings())).toThrow(/no column for "colour"/);
  });
});

describe('prepared', () => {
  it('gives one text one name, and another text another, each short enough for PostgreSQL', () => {
    const [a, b] = ['SELECT 1', 'SELECT 2'].map(prepared);
    expect(prepared('SELECT 1')).toEqual(a);
    expect(a!.name).not.toBe(b!.name);
    expect(a!.name.length).toBeLessThanOrEqual(63);
  });
});

it('columnsOf names every column by its property', () => {
  expect(columnsOf('o')).toContain('o.last_seq AS "lastSeq"');
  expect(columnsOf('o').split(', ')).toHaveLength(new Set(columnsOf('o').split(', ')).size);
});
