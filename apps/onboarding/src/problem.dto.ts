import { z } from 'zod';
import {
  PROBLEMS,
  PROBLEM_CODES,
  SCOPES,
  membersOf,
  type ProblemCode,
  type ProblemMember,
} from '#libs/kernel';
import { STATES } from '#libs/onboarding';
import { fieldErrorsOf } from './field-error.dto.js';
import { nextAction } from './next-action.dto.js';

const MEMBERS = {
  attemptsLeft: z.int().min(0).meta({ description: 'How many tries the code has left.' }),
  checks: z
    .record(z.string(), z.unknown())
    .meta({ description: 'The state of each part that the service checks.' }),
  nextAction,
  onboardingId: z.uuid(),
  requiredScopes: z
    .array(z.enum(SCOPES))
    .meta({ description: 'The scopes of the route. The caller needs only one of them.' }),
  state: z.enum(STATES),
  version: z.int().min(1).meta({ description: 'The current version.' }),
} satisfies Record<Exclude<ProblemMember, 'errors'>, z.ZodType>;

/** E.g. `OtpInvalidProblem` for `otp_invalid`. */
const nameOf = (code: ProblemCode) =>
  `${code.replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())}Problem`;

/** A problem (RFC 9457 §3) with the members of its code. */
const problemOf = (code: ProblemCode) =>
  z
    .object({
      type: z.string().meta({ description: 'A link to the code’s entry in the list of errors.' }),
      title: z.string(),
      status: z.int().min(400).max(599),
      detail: z.string().meta({ description: 'A text for people. It may change in later versions.' }),
      instance: z.string(),
      code: z.literal(code),
      traceId: z.string(),
      retryable: z.boolean().meta({ description: 'Whether the same request may succeed later.' }),
      ...Object.fromEntries(
        membersOf(code).map((member) => [
          member,
          (member === 'errors' ? fieldErrorsOf(code) : MEMBERS[member]).optional(),
        ]),
      ),
    })
    .meta({ id: nameOf(code), description: `${PROBLEMS[code].cause} ${PROBLEMS[code].remedy}` });

const problems = Object.fromEntries(PROBLEM_CODES.map((code) => [code, problemOf(code)])) as Record<
  ProblemCode,
  ReturnType<typeof problemOf>
>;

export function problemSchema(codes: readonly ProblemCode[]): z.ZodType {
  const [first, ...more] = codes.map((code) => problems[code]);
  return more.length > 0 ? z.discriminatedUnion('code', [first!, ...more]) : first!;
}
