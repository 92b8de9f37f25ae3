import type { FastifyReply } from 'fastify';
import { ProblemError } from '#libs/kernel';
import { WINDOW_S, type Count } from './counter.js';

const seconds = (ms: number) => Math.max(1, Math.ceil(ms / 1_000));

/** @throws ProblemError `rate_limited` for the exceeded limit that takes longest to reset */
export function throwIfOver(counts: Count[]): void {
  const [worst] = counts.filter(({ over }) => over).sort((a, b) => b.resetMs - a.resetMs);
  if (!worst) return;
  throw new ProblemError('rate_limited', {
    detail: `More than ${worst.quota} requests in ${WINDOW_S} s for one ${worst.policy}.`,
    retryAfterS: seconds(worst.resetMs),
    rateLimit: { policy: worst.policy, quota: worst.quota, windowS: WINDOW_S },
    limit: worst.policy === 'caller' ? 'caller' : 'subject',
  });
}

/** Adds an item per limit to `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers). */
export function stampLimits(reply: FastifyReply, counts: Count[]): void {
  const said = { policies: listOf(reply, 'RateLimit-Policy'), limits: listOf(reply, 'RateLimit') };
  for (const { policy, quota, remaining, resetMs } of counts) {
    if (said.policies.some((item) => item.startsWith(`"${policy}"`))) continue;
    said.policies.push(`"${policy}";q=${quota};w=${WINDOW_S}`);
    said.limits.push(`"${policy}";r=${remaining};t=${seconds(resetMs)}`);
  }
  reply.header('RateLimit-Policy', said.policies.join(', '));
  reply.header('RateLimit', said.limits.join(', '));
}

const listOf = (reply: FastifyReply, name: string): string[] =>
  reply.hasHeader(name) ? String(reply.getHeader(name)).split(', ') : [];
