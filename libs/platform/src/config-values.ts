import { isIP } from 'node:net';
import { z } from 'zod';
import { Secret } from '#libs/kernel';

/** A fault never contains the value of a secret. */
export type Faults = { variable: string; detail: string }[];

/** For docs/reference/configuration.md. */
export interface About {
  description: string;
  example?: string;
  /** The allowed values, if the schema does not list them. */
  values?: string;
}

/** Describes a variable that most installations should check. */
export const setting = <S extends z.ZodType>(
  description: string,
  schema: S,
  more: Omit<About, 'description'> = {},
): S => schema.meta({ description, ...more, group: 'setting' });

/** Describes a time or a limit whose default suits nearly all installations. */
export const tuning = <S extends z.ZodType<number>>(description: string, schema: S): S =>
  schema.meta({ description, group: 'tuning' });

const withRange = <S extends z.ZodType>(
  schema: S,
  fallback: number,
  values: string,
  example = String(fallback),
): S => schema.meta({ values, example, fallback: example });

export const count = (fallback: number, min = 1, max = 1_000_000) =>
  withRange(
    z.coerce
      .number({ error: 'is not a number' })
      .int('is not a whole number')
      .min(min, `is less than ${min}`)
      .max(max, `is more than ${max}`)
      .default(fallback),
    fallback,
    `${min} to ${max}`,
  );

const UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
type Unit = keyof typeof UNITS_MS;

/** A duration such as `250ms` or `5m`, read as a number of `unit`. Without a unit, it is in `unit`. */
const duration = (unit: 'ms' | 's', fallback: number, min: number, max: number) =>
  withRange(
    z
      .string()
      .transform((text, context) => {
        const [, number, given = unit] = /^(-?\d+(?:\.\d+)?) ?(ms|s|m|h|d)?$/.exec(text.trim()) ?? [];
        // 16.1 s are 16100.000000000002 ms in floating point.
        if (number !== undefined)
          return Math.round(((Number(number) * UNITS_MS[given as Unit]) / UNITS_MS[unit]) * 1e6) / 1e6;
        context.addIssue('is not a duration, such as 250ms, 30s or 5m');
        return z.NEVER;
      })
      .pipe(
        z
          .int(`is not a whole number of ${unit}`)
          .min(min, `is less than ${written(min, unit)}`)
          .max(max, `is more than ${written(max, unit)}`),
      )
      .default(fallback),
    fallback,
    `${written(min, unit)} to ${written(max, unit)}`,
    written(fallback, unit),
  ).meta({ unit });

/** For a variable whose name ends in `_MS`. The parameters are in ms. */
export const durationMs = (fallback: number, max = 7 * UNITS_MS.d, min = 1) =>
  duration('ms', fallback, min, max);

/** For a variable whose name ends in `_S`. The parameters are in s. */
export const durationS = (fallback: number, max: number, min = 0) => duration('s', fallback, min, max);

/** 300000 ms becomes `5m`. */
function written(value: number, unit: 'ms' | 's'): string {
  const ms = value * UNITS_MS[unit];
  const [name, size] = Object.entries(UNITS_MS)
    .toReversed()
    .find(([, each]) => ms % each === 0)!;
  return ms === 0 ? `0${unit}` : `${ms / size}${name}`;
}

export const secret = (minimum: number) =>
  z
    .string({ error: 'is missing' })
    .min(minimum, `is shorter than ${minimum} characters`)
    .transform((value) => new Secret(value));

export const url = (...protocols: string[]) =>
  z.string({ error: 'is missing' }).refine(
    (value) => {
      const parsed = URL.parse(value);
      return parsed !== null && protocols.includes(parsed.protocol);
    },
    `is not a URL that starts with ${protocols.map((p) => `${p}//`).join(' or ')}`,
  );

/** The ranges that Fastify's `trustProxy` knows by name. */
const ADDRESS_RANGES: ReadonlySet<string> = new Set(['loopback', 'linklocal', 'uniquelocal']);

/** IP addresses, ranges (`10.0.0.0/8`) and names of ranges, with commas between. */
export const addresses = () =>
  z
    .string()
    .default('')
    .transform((value) =>
      value
        .split(',')
        .map((each) => each.trim())
        .filter(Boolean),
    )
    .refine(
      (list) => list.every(isAddressRange),
      'is not a comma separated list of IP addresses, ranges such as 10.0.0.0/8, ' +
        'loopback, linklocal and uniquelocal',
    );

function isAddressRange(text: string): boolean {
  if (ADDRESS_RANGES.has(text)) return true;
  const [address = '', bits, ...more] = text.split('/');
  const family = isIP(address);
  if (family === 0 || more.length > 0) return false;
  // A range of /0 would let every client claim any address, and claim to use TLS.
  return bits === undefined || (/^[1-9]\d{0,2}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128));
}

export const PLAIN_IN_PRODUCTION =
  'is http:// although NODE_ENV is production: ' +
  'use https:// (http:// may lead only to localhost, 127.x or [::1])';

/** Whether a URL uses http:// to a host that is neither localhost nor a loopback address. */
export function isPlain(value: string): boolean {
  const url = URL.parse(value);
  if (url?.protocol !== 'http:') return false;
  const { hostname: host } = url;
  return !(host === 'localhost' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host));
}

/** A URL with only scheme, host and port. @param name the subject of the error text. */
export const origin = (name: string) =>
  url('http:', 'https:')
    .transform((value) => value.replace(/\/$/, ''))
    .refine(
      (value) => URL.parse(value)?.origin === value,
      `${name} has more than scheme, host and port: each provider knows its own paths`,
    );

/**
 * @param variableOf the variable of a member of the schema, without the prefix.
 * @returns null if a variable has a fault. All faults are added to `faults`.
 */
export function parse<S extends z.ZodObject>(
  schema: S,
  env: Record<string, string | undefined>,
  prefix: string,
  faults: Faults,
  variableOf = (member: string) => member,
): z.output<S> | null {
  const values = Object.fromEntries(
    Object.keys(schema.shape).map((member) => {
      const value = env[prefix + variableOf(member)];
      // Compose files often set unused variables to an empty text.
      return [member, value === '' ? undefined : value];
    }),
  );
  const parsed = schema.safeParse(values);
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues) {
    faults.push({ variable: prefix + variableOf(issue.path.join('.')), detail: issue.message });
  }
  return null;
}
