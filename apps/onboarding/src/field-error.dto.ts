import { z } from 'zod';
import { FAULTS_BY_PROBLEM, FAULT_CODES, type FaultCode, type ProblemCode } from '#libs/kernel';

const listOf = (id: string, codes: readonly FaultCode[], description: string) =>
  z.array(
    z
      .object({
        pointer: z.string().meta({ description: 'Where the fault is: a JSON pointer (RFC 6901).' }),
        code: z.enum(codes).meta({
          id: `${id}Code`,
          description: `${description} /docs/errors says what each code means, and what to do.`,
        }),
        detail: z.string().meta({ description: 'A text for people. It may change in later versions.' }),
      })
      .meta({ id }),
  );

const codesOf = (problem: keyof typeof FAULTS_BY_PROBLEM) =>
  Object.keys(FAULTS_BY_PROBLEM[problem]) as FaultCode[];

/** Faults in `lastResult` and `failure`, and in problems that report the same faults. */
export const fieldErrors = listOf('Fault', FAULT_CODES, 'The code of one fault.');

const OWN: Partial<Record<ProblemCode, typeof fieldErrors>> = {
  validation_failed: listOf(
    'RequestFault',
    codesOf('validation_failed'),
    'The code of one fault in the shape of a request.',
  ),
  attestation_invalid: listOf(
    'PasskeyFault',
    codesOf('attestation_invalid'),
    'The check that a passkey failed.',
  ),
};

export const fieldErrorsOf = (code: ProblemCode) => OWN[code] ?? fieldErrors;
