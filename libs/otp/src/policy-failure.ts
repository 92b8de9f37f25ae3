import type { Explanation } from '#libs/onboarding';

const REQUIRED = { consensus_needed: 'approvals by others', mfa_needed: 'another factor' } as const;

/** The result if a policy at the provider forbids this step for all users. */
export const policyFailure = (
  code: keyof typeof REQUIRED,
): Explanation & { code: keyof typeof REQUIRED } => ({
  code,
  detail:
    `A policy at the provider requires ${REQUIRED[code]} for this step. ` +
    'The administrator of that policy must change it.',
});
