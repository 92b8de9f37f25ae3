import { z } from 'zod';
import { ProblemError, hasDuplicateMembers, type FieldError } from '#libs/kernel';
import { memberErrors, rule } from '#libs/platform';
import { InvalidProofError, verifyTurnkeyStamp } from '#libs/signing';
import { parseJson } from '../transport/http-answer.js';
import type { DeviceRequest, DeviceSigning, NewAuthenticator } from '../port/upstream-provider.js';
import { authenticatorParams } from './authenticator-params.js';
import { readLoginProof } from './login-proof.js';

/** Turnkey's limit is one hour, so time is left to send the request. */
const OLDEST_MS = 55 * 60_000;
const FURTHEST_AHEAD_MS = 5 * 60_000;

/**
 * Reads the registration that a user's device has signed, and refuses what Turnkey would refuse.
 *
 * @throws ProblemError `validation_failed` with pointers into `/device`. After `/device/body`, a pointer
 *   continues inside the JSON of the body.
 */
export function readDeviceRequest(
  device: DeviceRequest,
  signing: DeviceSigning,
  nowMs: number,
): NewAuthenticator[] {
  const request = bodySchema(signing, nowMs).safeParse(parseJson(device.body));
  const faults: FieldError[] = [
    ...(request.error ? memberErrors(request.error.issues, '/device/body') : []),
    ...(request.success && hasDuplicateMembers(device.body, parseJson(device.body))
      ? [{ pointer: '/device/body', code: 'duplicate_member' as const, detail: 'contains a member twice' }]
      : []),
    ...proofFaults('/device/clientSignature', () => readLoginProof(signing, device.clientSignature)),
    ...proofFaults('/device/stamp', () => deviceStamp(device, signing)),
  ];
  if (faults.length === 0 && request.success) return request.data.parameters.authenticators;
  throw new ProblemError('validation_failed', {
    detail: 'The provider would refuse the device’s request in this session.',
    errors: faults,
  });
}

/**
 * @returns the stamp's header, built again from its checked content
 * @throws InvalidProofError if the session's key has not signed exactly this body
 */
export function deviceStamp(
  { body, stamp }: Pick<DeviceRequest, 'body' | 'stamp'>,
  { publicKey }: Pick<DeviceSigning, 'publicKey'>,
): Record<string, string> {
  const header = verifyTurnkeyStamp(stamp, body);
  const made = JSON.parse(Buffer.from(header['X-Stamp'], 'base64url').toString()) as { publicKey: string };
  if (made.publicKey !== publicKey) {
    throw new InvalidProofError('client stamp', 'wrong_key', 'it was not made with the session’s key');
  }
  return { ...header };
}

function bodySchema({ organizationId, userId }: DeviceSigning, nowMs: number) {
  const same = (expected: string, whose: 'organization' | 'user') =>
    z
      .string()
      .refine(
        (id) => id.toLowerCase() === expected.toLowerCase(),
        rule(`wrong_${whose}`, `is not the ${whose} of the session`),
      );
  return z.strictObject({
    type: z.literal('ACTIVITY_TYPE_CREATE_AUTHENTICATORS_V2'),
    timestampMs: z
      .string()
      .regex(/^\d{1,16}$/, 'is not milliseconds since the Unix epoch, as text')
      .refine(
        (text) => Number(text) >= nowMs - OLDEST_MS && Number(text) <= nowMs + FURTHEST_AHEAD_MS,
        rule('bad_timestamp', 'is too old or in the future: check the device’s clock'),
      ),
    organizationId: same(organizationId, 'organization'),
    parameters: z.strictObject({
      userId: same(userId, 'user'),
      authenticators: z.array(authenticatorParams).min(1, 'is empty').max(10, 'has more than 10'),
    }),
    generateAppProofs: z.boolean().optional(),
  });
}

function proofFaults(pointer: string, check: () => unknown): FieldError[] {
  try {
    check();
    return [];
  } catch (error) {
    if (error instanceof InvalidProofError) return [{ pointer, code: error.reason, detail: error.message }];
    throw error;
  }
}
