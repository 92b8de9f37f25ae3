import { z } from 'zod';
import { failureOf, wholeJson } from '../transport/http-answer.js';
import type { HttpAnswer } from '../transport/http-client.js';
import { opaqueId } from '../transport/opaque.js';
import { failedActivity, type Asked } from './refusal.js';

/** The result of a request that changes something at Turnkey (public API, activities). */
export interface Activity {
  id: string;
  organizationId: string;
  /** Null while the activity is in progress. */
  result: Readonly<Record<string, unknown>> | null;
}

const members = z.record(z.string(), z.unknown());
const envelope = z.object({
  activity: z.object({
    id: opaqueId,
    organizationId: opaqueId,
    status: z.string(),
    result: members.nullish(),
    fingerprint: z.string().nullish(),
    failure: z.unknown().optional(),
  }),
});

/**
 * Reads an activity. A failed one also comes with HTTP status 200, so only the activity's own status counts.
 *
 * @param fingerprint the hash of the submitted bytes. Another one belongs to another request.
 * @throws UpstreamError if the activity failed, or cannot be read.
 */
export function readActivity(answer: HttpAnswer, asked: Asked, fingerprint: string): Activity {
  const parsed = envelope.safeParse(wholeJson(answer));
  // The request may have taken effect, because its answer is a 2xx.
  if (!parsed.success) {
    throw failureOf(answer, 'no_answer', `upstream answered ${answer.status} with a body of the wrong shape`);
  }
  const { id, organizationId, status, result, failure, fingerprint: answered } = parsed.data.activity;
  if (answered && answered !== fingerprint) {
    throw failureOf(
      answer,
      'no_answer',
      `upstream answered ${answer.status} with the activity of another request`,
    );
  }
  const end = (detail: string, reason?: 'consensus_needed' | 'mfa_needed') =>
    failureOf(answer, 'rejected', detail, reason);
  switch (status.replace('ACTIVITY_STATUS_', '')) {
    case 'COMPLETED':
      return { id, organizationId, result: unnested(result ?? {}) };
    case 'CREATED':
    case 'PENDING':
      return { id, organizationId, result: null };
    case 'CONSENSUS_NEEDED':
      throw end('a policy of the organization asks for more votes on the activity', 'consensus_needed');
    case 'AUTHENTICATORS_NEEDED':
      throw end('a policy of the organization asks for more factors for the activity', 'mfa_needed');
    case 'REJECTED':
      throw end('the activity was voted down');
    case 'FAILED':
      throw failedActivity(answer, failure, asked);
    default:
      throw failureOf(answer, 'no_answer', 'the activity has an unknown status');
  }
}

/** Some answers contain the result in `activity.result.activity.result`. */
function unnested(result: Record<string, unknown>): Record<string, unknown> {
  const inner = z.object({ activity: z.object({ result: members }) }).safeParse(result);
  return inner.success ? inner.data.activity.result : result;
}

/** Finds a result in any version, such as `initOtpResult` or `initOtpResultV2`. */
export function resultNamed(result: Readonly<Record<string, unknown>>, name: string): unknown {
  const key = Object.keys(result).find(
    (each) => each === name || (/^V\d+$/.test(each.slice(name.length)) && each.startsWith(name)),
  );
  return key === undefined ? undefined : result[key];
}
