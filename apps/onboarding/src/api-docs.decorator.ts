import { SetMetadata, applyDecorators } from '@nestjs/common';
import { ApiExtension, ApiHeader, ApiResponse, ApiSecurity } from '@nestjs/swagger';
import type { z } from 'zod';
import { Requires } from '#libs/callers';
import { statusesOf, type ProblemCode, type Scope } from '#libs/kernel';
import { onboardingResource } from './onboarding.dto.js';
import { problemSchema } from './problem.dto.js';

/** Any route can answer with these codes. */
const EVERYWHERE: ProblemCode[] = [
  'validation_failed',
  'unauthenticated',
  'forbidden',
  'not_found',
  'rate_limited',
  'internal',
  'not_ready',
];

/** Documents a route's answer (a null schema means no body), and its problems besides {@link EVERYWHERE}. */
export function Answers(
  status: number,
  description: string,
  schema: z.ZodType | null,
  ...codes: ProblemCode[]
) {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of [...EVERYWHERE, ...codes]) {
    for (const each of statusesOf(code)) byStatus.set(each, [...(byStatus.get(each) ?? []), code]);
  }
  return applyDecorators(
    ApiResponse({ status, description, ...(schema && { standardSchema: schema }) }),
    ...[...byStatus].map(([each, ofStatus]) =>
      ApiResponse({
        status: each,
        description: ofStatus.map((code) => `\`${code}\``).join(', '),
        standardSchema: problemSchema(ofStatus),
      }),
    ),
  );
}

/** Any command can also answer with these codes. */
const OF_COMMANDS: ProblemCode[] = [
  'idempotency_in_progress',
  'idempotency_key_reused',
  'onboarding_erased',
  'payload_too_large',
  'unsupported_media_type',
];

export const IfMatch = () =>
  ApiHeader({
    name: 'If-Match',
    required: false,
    description:
      'The `ETag` of the version that the caller saw, or a list of them. ' +
      'If the onboarding has changed since, the answer is 412.',
  });

export const TakesKey = () =>
  ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x21-\\x7e]+$' },
    description:
      'For 48 hours, the same key and the same bytes on the same route give the first answer again, ' +
      'marked `Idempotent-Replayed: true`. Refusals before any work are not kept.',
  });

/** Like {@link Answers}, with the headers that every command takes. */
export function CommandAnswers(
  status: number,
  description: string,
  schema: z.ZodType,
  ...codes: ProblemCode[]
) {
  return applyDecorators(
    TakesKey(),
    ...(status === 201 ? [] : [IfMatch()]),
    Answers(status, description, schema, ...codes, ...OF_COMMANDS),
  );
}

export const RUNS_STEP = Symbol('a route that waits for the end of a step');

/** Marks a command that runs a step, and documents what all such commands share. */
export const RunsStep = () =>
  applyDecorators(
    SetMetadata(RUNS_STEP, true),
    ApiResponse({
      status: 202,
      description:
        'The step is still under way, or it failed through no fault of the caller. ' +
        'Read `state`, `nextAction` and `lastResult`.',
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

/** A caller needs only one of the scopes. */
export const OpenTo = (...scopes: [Scope, ...Scope[]]) =>
  applyDecorators(
    Requires(...scopes),
    // In OpenAPI, separate entries are alternatives.
    ...scopes.map((scope) => ApiSecurity('bearer', [scope])),
    ApiExtension('x-required-scopes', scopes),
  );
