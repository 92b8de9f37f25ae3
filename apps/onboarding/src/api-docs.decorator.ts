import { SetMetadata, applyDecorators } from '@nestjs/common';
import { ApiExtension, ApiHeader, ApiResponse, ApiSecurity } from '@nestjs/swagger';
import type { z } from 'zod';
import { Requires } from '#libs/callers';
import { PROBLEMS, type ProblemCode, type Scope } from '#libs/kernel';
import { onboardingResource } from './onboarding.dto.js';
import { problemSchema } from './problem.dto.js';

/** The problem codes with which any route can answer. */
const EVERYWHERE: ProblemCode[] = [
  'validation_failed',
  'unauthenticated',
  'forbidden',
  'not_found',
  'rate_limited',
  'internal',
  'not_ready',
];

/** The problem codes that have a second HTTP status. */
const ALSO: Partial<Record<ProblemCode, number>> = { otp_locked: 429 };

const HEADERS = {
  ETag: 'The version of the onboarding, in quotes, for `If-Match`.',
  'Idempotent-Replayed':
    '`true` if this is the stored answer to the first request with the same `Idempotency-Key`.',
  Location: 'The path of the onboarding.',
  'Preference-Applied': 'The preferences of `Prefer` that the service applied.',
  RateLimit: 'The policy, how many requests remain (`r`), and after how many seconds more are allowed (`t`).',
  'RateLimit-Policy': 'The policy, how many requests it allows (`q`), and in how many seconds (`w`).',
  'Retry-After': 'How many seconds to wait before sending the request again.',
  'WWW-Authenticate': 'How to authenticate (RFC 6750).',
} as const;
type Header = keyof typeof HEADERS;

const headers = (names: readonly Header[]) =>
  Object.fromEntries(
    names.map((name) => [name, { description: HEADERS[name], schema: { type: 'string' as const } }]),
  );

/** The headers that every answer with this status has. */
const OF_STATUS: Partial<Record<number, Header[]>> = {
  401: ['WWW-Authenticate'],
  403: ['WWW-Authenticate'],
  429: ['Retry-After', 'RateLimit', 'RateLimit-Policy'],
  503: ['Retry-After'],
};

/** Headers of an answer that is an onboarding. */
const OF_ONBOARDING: Header[] = ['ETag'];
const headersOf = (schema: z.ZodType | null): Header[] =>
  schema === onboardingResource ? OF_ONBOARDING : [];

/** Documents a route: its answer (a null schema means no body) and the problems that only it has. */
export function Answers(
  status: number,
  description: string,
  schema: z.ZodType | null,
  ...codes: ProblemCode[]
) {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of [...EVERYWHERE, ...codes]) {
    for (const each of [PROBLEMS[code].status, ALSO[code]]) {
      if (each) byStatus.set(each, [...(byStatus.get(each) ?? []), code]);
    }
  }
  return applyDecorators(
    ApiResponse({
      status,
      description,
      headers: headers([
        ...headersOf(schema),
        ...(status === 201 && schema === onboardingResource ? (['Location'] as const) : []),
      ]),
      ...(schema && { standardSchema: schema }),
    }),
    ...[...byStatus].map(([each, ofStatus]) =>
      ApiResponse({
        status: each,
        description: ofStatus.map((code) => `\`${code}\``).join(', '),
        headers: headers(OF_STATUS[each] ?? []),
        standardSchema: problemSchema(ofStatus),
      }),
    ),
  );
}

/** The problem codes with which any command can answer, in addition to {@link EVERYWHERE}. */
const OF_COMMANDS: ProblemCode[] = [
  'idempotency_in_progress',
  'idempotency_key_reused',
  'onboarding_erased',
  'payload_too_large',
  'unsupported_media_type',
];

/** Documents `If-Match`, which every route that changes an onboarding takes. */
export const IfMatch = () =>
  ApiHeader({
    name: 'If-Match',
    required: false,
    description:
      'The `ETag` of the version that the caller saw, or a list of them. ' +
      'If the onboarding has changed since, the answer is 412.',
  });

/** Documents a command: {@link Answers}, and the headers that every command takes. */
export function CommandAnswers(
  status: number,
  description: string,
  schema: z.ZodType,
  ...codes: ProblemCode[]
) {
  return applyDecorators(
    ApiHeader({
      name: 'Idempotency-Key',
      required: false,
      description:
        '1 to 255 visible ASCII characters. For 48 hours, the same key and body give the first answer ' +
        'again, marked `Idempotent-Replayed: true`.',
    }),
    ...(status === 201 ? [] : [IfMatch()]),
    Answers(status, description, schema, ...codes, ...OF_COMMANDS),
  );
}

export const RUNS_STEP = Symbol('a route that waits for the end of a step');

/** Marks and documents what every command that runs a step has in common. */
export const RunsStep = () =>
  applyDecorators(
    SetMetadata(RUNS_STEP, true),
    ApiResponse({
      status: 202,
      description:
        'The step is still under way, or it failed through no fault of the caller. ' +
        'Read `state`, `nextAction` and `lastResult`.',
      headers: headers(['ETag', 'Location', 'Preference-Applied']),
      standardSchema: onboardingResource,
    }),
    ApiHeader({
      name: 'Prefer',
      required: false,
      description:
        '`wait=N`: wait up to N seconds for the end of the step (0 to 30, 10 by default). ' +
        '`respond-async`: do not wait. The service ignores anything else.',
    }),
  );

/** Sets and documents the scopes of a route. A caller needs only one of them. */
export const OpenTo = (...scopes: [Scope, ...Scope[]]) =>
  applyDecorators(
    Requires(...scopes),
    // OpenAPI lists alternatives as separate entries.
    ...scopes.map((scope) => ApiSecurity('bearer', [scope])),
    ApiExtension('x-required-scopes', scopes),
  );
