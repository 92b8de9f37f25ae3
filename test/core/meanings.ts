import { Bindings, SqlValue, type Row } from '#libs/onboarding';

/** The result on a row of a value that PostgreSQL computes, with a note on what the row does not show. */
interface Meaning {
  value: unknown;
  note?: string;
}

type Read = (row: Row, match: string[], bound: unknown[]) => Meaning;

const MEMBER = (column: string) =>
  column.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()) as keyof Row;
const later = (from: Date, ms: number) => ({ value: new Date(from.getTime() + ms) });

/** By their text, so that an unknown one is not taken for a known one. */
const MEANINGS: readonly [RegExp, Read][] = [
  [
    /^clock_timestamp\(\) \+ \$1::float8 \* interval '1 millisecond'$/,
    (row, _, [ms]) => later(row.now, Number(ms)),
  ],
  [/^o\.(attempt|version) \+ 1$/, (row, [, column]) => ({ value: Number(row[MEMBER(column!)]) + 1 })],
  [/^o\.otp_resend_at$/, (row) => ({ value: row.otpResendAt })],
  [
    /^o\.otp_sent_at \+ interval '(\d+) milliseconds'$/,
    (row, [, ms]) => (row.otpSentAt ? later(row.otpSentAt, Number(ms)) : { value: null }),
  ],
  [
    /^o\.unresolved \|\| jsonb_build_array\(jsonb_build_object\('step', '([\w-]+)', 'attempt', o\.attempt \+ 1,/,
    (row, [, step]) => ({
      value: [...row.unresolved, { step, attempt: row.attempt + 1, at: row.now.toISOString() }],
    }),
  ],
  [
    /^jsonb_path_query_array\(o\.unresolved, '\$\[\*\] \? \(@\.step != "([\w-]+)"\)'\)$/,
    (row, [, step]) => ({ value: row.unresolved.filter((each) => each.step !== step) }),
  ],
  [
    /^CASE WHEN o\.state = '(\w+)' THEN o\.(\w+) ELSE (NULL|0) END$/,
    (row, [, state, column, otherwise]) => ({
      value: row.state === state ? row[MEMBER(column!)] : otherwise === '0' ? 0 : null,
    }),
  ],
  [
    /^greatest\(\s*([\s\S]*?), \(\s*SELECT greatest\(([\s\S]*)FROM otp_budgets b WHERE/,
    (row, [, noSooner, budgets], bound) => {
      const read = meaningOf(noSooner!, row, bound);
      return { ...read, note: `or later by the budgets${changesIn(budgets!)}` };
    },
  ],
  [
    /^CASE WHEN EXISTS \([\s\S]* FROM otp_budgets b [\s\S]*\) THEN 0 ELSE (\d+) END$/,
    (_, [, left]) => ({ value: Number(left), note: 'none where the day has none' }),
  ],
  [/^'erased:' \|\| o\.id$/, () => ({ value: 'erased' })],
  [
    /^coalesce\(\(SELECT jsonb_agg\(each - 'evidence' ORDER BY position\)/,
    (row) => ({ value: row.unresolved.map(({ step, attempt, at }) => ({ step, attempt, at })) }),
  ],
  [
    /^\(o\.last_result - 'errors'\) \|\| '\{"detail": "Erased\."\}'::jsonb$/,
    ({ lastResult }) => {
      if (!lastResult) return { value: null };
      const { errors: _, ...rest } = lastResult;
      return { value: { ...rest, detail: 'Erased.' } };
    },
  ],
  [
    /^o\.failure \|\| '\{"detail": "Erased\."\}'::jsonb$/,
    ({ failure }) => ({ value: failure && { ...failure, detail: 'Erased.' } }),
  ],
];

/**
 * Reads a value of a patch without a database.
 *
 * @throws Error for SQL that it does not know. Add it here, so that no new value stays unseen.
 */
export function readValue(value: unknown, row: Row): Meaning {
  if (!(value instanceof SqlValue)) return { value };
  const bindings = new Bindings();
  const text = value.write(bindings);
  return meaningOf(text, row, bindings.values);
}

function meaningOf(text: string, row: Row, bound: unknown[]): Meaning {
  for (const [pattern, read] of MEANINGS) {
    const match = pattern.exec(text);
    if (match) return read(row, match, bound);
  }
  throw new Error(`test/core/meanings.ts does not know this SQL:\n${text}`);
}

/** Limits of the tables' configuration: sends per window and per day, wrong codes per day. */
const LIMITS = { sends: 3, wrong: 15 };

/** What the same statement adds to the budgets or gives back, as far as the offsets tell. */
function changesIn(budgets: string): string {
  const offsets = [...budgets.matchAll(/OFFSET (\d+) LIMIT 1/g)].map(([, offset]) => Number(offset));
  const sends = LIMITS.sends - 1 - (offsets[0] ?? 0);
  const tries = LIMITS.wrong - 1 - (offsets.at(-1) ?? 0);
  const words = [
    ...(sends === 0 ? [] : [`${sends} send`]),
    ...(tries === 0 ? [] : [`${tries > 0 ? '+' : ''}${tries} try`]),
  ];
  return words.length > 0 ? `, ${words.join(' and ')} counted` : '';
}
