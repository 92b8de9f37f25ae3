import type { Explanation } from '#libs/onboarding';

const WANTS = { consensus_needed: 'votes of others', mfa_needed: 'another factor' } as const;

/** A policy of the provider's stands in the way of everybody: only its administrator can mend that. */
export const policyFailure = (code: keyof typeof WANTS): Explanation & { code: keyof typeof WANTS } => ({
  code,
  detail: `A policy at the provider wants ${WANTS[code]} for this step: its administrator must change the policy.`,
});
