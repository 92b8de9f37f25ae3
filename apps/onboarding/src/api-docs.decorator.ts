import { applyDecorators } from '@nestjs/common';
import { ApiHeader, ApiResponse } from '@nestjs/swagger';
import type { z } from 'zod';
import { PROBLEMS, type ProblemCode } from '#libs/kernel';
import { problem } from './problem.dto.js';

/** Codes that any route can answer with. */
const EVERYWHERE: ProblemCode[] = ['validation_failed', 'unauthenticated', 'not_found', 'internal', 'not_ready'];

/** Documents a route: its answer, and the problems that are its own. */
export function Answers(status: number, description: string, schema: z.ZodType, ...codes: ProblemCode[]) {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of [...EVERYWHERE, ...codes]) {
    const { status: each } = PROBLEMS[code];
    byStatus.set(each, [...(byStatus.get(each) ?? []), code]);
  }
  return applyDecorators(
    ApiResponse({ status, description, standardSchema: schema }),
    ...[...byStatus].map(([each, ofStatus]) =>
      ApiResponse({ status: each, description: ofStatus.map((code) => `\`${code}\``).join(', '), standardSchema: problem }),
    ),
  );
}

/** Documents the headers of a command that runs a step. */
export const StepHeaders = () =>
  applyDecorators(
    ApiHeader({
      name: 'Prefer',
      required: false,
      description: '`wait=N` (0 to 30 seconds, 10 by default) or `respond-async`',
    }),
    ApiHeader({ name: 'If-Match', required: false, description: 'the ETag of the version that the caller saw' }),
  );
