import { z } from 'zod';
import { ProblemError } from '#libs/kernel';
import { LIVE_STATES, PARKED_REASONS, STATES, STEPS, type OperationFilter } from '#libs/onboarding';

const optionalField = <S extends z.ZodType>(schema: S) =>
  z.preprocess((value) => (value === '' ? undefined : value), schema.optional());
/** PostgreSQL cannot store U+0000 in a text. */
const isStorable = (value: string) => !value.includes('\0');
const text = optionalField(z.string().max(256).refine(isStorable));
const startOfDay = optionalField(z.iso.date().transform((value) => new Date(`${value}T00:00:00.000Z`)));

const query = z.strictObject({
  q: text,
  state: z.preprocess(
    (value) => (value === undefined || value === '' ? [] : [value].flat()),
    z.array(z.enum(STATES)),
  ),
  live: optionalField(z.literal('true')),
  /** Selects ended onboardings that have an attempt with an unknown outcome. */
  unresolved: optionalField(z.literal('true')),
  integration: text,
  caller: text,
  step: optionalField(z.enum(STEPS)),
  parked: optionalField(z.enum(['true', 'false'])),
  parkedReason: optionalField(z.enum(PARKED_REASONS)),
  /** Selects onboardings whose step waits for its next try. */
  waiting: optionalField(z.literal('true')),
  createdAfter: startOfDay,
  createdBefore: startOfDay,
  /** The id of the last row on the previous page. */
  after: optionalField(z.uuid()),
});

export type ListQuery = z.output<typeof query>;

/** @throws ProblemError `validation_failed`, which names the wrong fields */
export function parseQuery(input: unknown): ListQuery {
  const result = query.safeParse(input);
  if (result.success) return result.data;
  const fields = result.error.issues.flatMap((issue) =>
    issue.code === 'unrecognized_keys' ? issue.keys : issue.path.map(String),
  );
  const detail = `Unknown filters, or filters with a wrong value: ${[...new Set(fields)].join(', ')}.`;
  throw new ProblemError('validation_failed', { detail });
}

export function filterOf(asked: ListQuery): OperationFilter {
  const { state, live, unresolved, integration, caller, parked, createdAfter, createdBefore } = asked;
  const { step, parkedReason, waiting } = asked;
  const states = live ? [...LIVE_STATES] : state;
  return {
    ...(states.length > 0 && { states }),
    ...(unresolved && { endedUnresolved: true }),
    ...(integration !== undefined && { integration }),
    ...(caller !== undefined && { caller }),
    ...(step !== undefined && { step }),
    ...(parked !== undefined && { parked: parked === 'true' }),
    ...(parkedReason !== undefined && { parkedReason }),
    ...(waiting && { waiting: true }),
    ...(createdAfter && { createdAfter }),
    ...(createdBefore && { createdBefore }),
  };
}

/** @returns the fields for links and hidden inputs, without search text and page position */
export function fieldsOf(asked: ListQuery): [name: string, value: string][] {
  const { live, unresolved, integration, caller, step, parked, parkedReason, waiting } = asked;
  const { state, createdAfter, createdBefore } = asked;
  const where = { integration, caller, step, parked, parkedReason, waiting };
  const one = { live, unresolved, ...where, createdAfter, createdBefore };
  return [
    ...state.map((each): [string, string] => ['state', each]),
    ...Object.entries(one).flatMap(([name, value]): [string, string][] => {
      if (value === undefined) return [];
      return [[name, value instanceof Date ? value.toISOString().slice(0, 10) : value]];
    }),
  ];
}
