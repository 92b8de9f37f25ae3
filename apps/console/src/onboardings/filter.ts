import { z } from 'zod';
import { ProblemError } from '#libs/kernel';
import { LIVE_STATES, STATES, type OperationFilter } from '#libs/onboarding';

/** A field of a form that is empty counts as not given. */
const optionalField = <S extends z.ZodType>(schema: S) =>
  z.preprocess((value) => (value === '' ? undefined : value), schema.optional());
/** PostgreSQL stores no U+0000. */
const isStorable = (value: string) => !value.includes('\0');
const text = optionalField(z.string().max(256).refine(isStorable));
/** Of a date field, in UTC. */
const startOfDay = optionalField(z.iso.date().transform((value) => new Date(`${value}T00:00:00.000Z`)));

/** The filter of the list, as its form and links send it. */
const query = z.strictObject({
  q: text,
  state: z.preprocess(
    (value) => (value === undefined || value === '' ? [] : [value].flat()),
    z.array(z.enum(STATES)),
  ),
  /** All live states, in place of a list of them. */
  live: optionalField(z.literal('true')),
  /** Only ended ones with an attempt whose outcome is unknown. */
  unresolved: optionalField(z.literal('true')),
  integration: text,
  caller: text,
  parked: optionalField(z.enum(['true', 'false'])),
  createdAfter: startOfDay,
  createdBefore: startOfDay,
  /** The id of the last row of the page before. */
  after: optionalField(z.uuid()),
});

export type ListQuery = z.output<typeof query>;

/** @throws ProblemError `validation_failed`, by the name of the field */
export function parseQuery(input: unknown): ListQuery {
  const result = query.safeParse(input);
  if (result.success) return result.data;
  const fields = result.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys' ? issue.keys : issue.path.map(String),
  );
  const detail = `The filter has a wrong field: ${[...new Set(fields)].join(', ')}.`;
  throw new ProblemError('validation_failed', { detail });
}

export function filterOf(asked: ListQuery): OperationFilter {
  const { state, live, unresolved, integration, caller, parked, createdAfter, createdBefore } = asked;
  const states = live ? [...LIVE_STATES] : state;
  return {
    ...(states.length > 0 && { states }),
    ...(unresolved && { endedUnresolved: true }),
    ...(integration !== undefined && { integration }),
    ...(caller !== undefined && { caller }),
    ...(parked !== undefined && { parked: parked === 'true' }),
    ...(createdAfter && { createdAfter }),
    ...(createdBefore && { createdBefore }),
  };
}

/** The filter's fields for links and hidden fields, without the search and the page. */
export function fieldsOf(asked: ListQuery): [name: string, value: string][] {
  const { state, live, unresolved, integration, caller, parked, createdAfter, createdBefore } = asked;
  const one = { live, unresolved, integration, caller, parked, createdAfter, createdBefore };
  return [
    ...state.map((each): [string, string] => ['state', each]),
    ...Object.entries(one).flatMap(([name, value]): [string, string][] => {
      if (value === undefined) return [];
      return [[name, value instanceof Date ? value.toISOString().slice(0, 10) : value]];
    }),
  ];
}
