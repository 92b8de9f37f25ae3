import { SetMetadata, applyDecorators } from '@nestjs/common';
import { ApiHeader, ApiResponse } from '@nestjs/swagger';
import type { z } from 'zod';
import { PROBLEMS, type ProblemCode } from '#libs/kernel';
import { onboardingResource } from './onboarding.dto.js';
import { problem } from './problem.dto.js';

/** Codes that any route can answer with. */
const EVERYWHERE: ProblemCode[] = [
  'validation_failed',
  'unauthenticated',
  'forbidden',
  'not_found',
  'rate_limited',
  'internal',
  'not_ready',
];

/** Codes that come with another status as well. */
const ALSO: Partial<Record<ProblemCode, number>> = { otp_locked: 429 };

/** Documents a route: its answer, null where it has no body, and the problems that are its own. */
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
    ApiResponse({ status, description, ...(schema && { standardSchema: schema }) }),
    ...[...byStatus].map(([each, ofStatus]) =>
      ApiResponse({
        status: each,
        description: ofStatus.map((code) => `\`${code}\``).join(', '),
        standardSchema: problem,
      }),
    ),
  );
}

/** What any command can be answered with besides. */
const OF_COMMANDS: ProblemCode[] = [
  'idempotency_in_progress',
  'idempotency_key_reused',
  'onboarding_erased',
  'payload_too_large',
  'unsupported_media_type',
];

/** Documents the header that every change of an onboarding takes. */
export const IfMatch = () =>
  ApiHeader({
    name: 'If-Match',
    required: false,
    description:
      'the ETag of the version that the caller saw, or a list of ETags; 412 if the version is another one now',
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
        '1 to 255 visible ASCII characters: the same key and body give the first answer again for 48 hours, marked `Idempotent-Replayed: true`',
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
        'the step is still under way, or ended for no reason of the caller: see `state`, `nextAction` and `lastResult`',
      standardSchema: onboardingResource,
    }),
    ApiHeader({
      name: 'Prefer',
      required: false,
      description:
        '`wait=N` (0 to 30 seconds, 10 by default; more is 30) or `respond-async`, or both for a wait of at most N; ' +
        '`Preference-Applied` names what the service applied, and it ignores anything else',
    }),
  );
