import { ENDED_STATES } from './machine.js';
import { where, type Change, type Condition } from './onboarding.store.js';
import { SEALED } from './secrets.js';
import { fromNow, sql, type Patch } from './statement.js';

const detail = `'{"detail": "Erased."}'::jsonb`;

/**
 * What an erased row is left with: that there was an onboarding, how it ended and when. The table takes nothing else
 * (`onboardings_erased_is_blank`); what lies in other tables goes along (`onboardings_erase_along`).
 */
export const BLANK: Patch = {
  erasedAt: fromNow(0),
  sealedDataKey: null,
  dataKeyId: null,
  sealedContact: null,
  ...Object.fromEntries(SEALED.map((field) => [field, null])),
  subject: {},
  // No subject has it, and no two rows do.
  subjectKey: sql(`'erased:' || o.id`),
  externalRef: null,
  metadata: {},
  fingerprint: null,
  otpChoice: {},
  otpHandle: null,
  otpTargetBundle: null,
  deviceSigning: null,
  authenticators: [],
  pendingAuthenticators: [],
  unresolved: sql(`coalesce((SELECT jsonb_agg(each - 'evidence' ORDER BY position)
    FROM jsonb_array_elements(o.unresolved) WITH ORDINALITY AS u (each, position)), '[]')`),
  lastResult: sql(`(o.last_result - 'errors') || ${detail}`),
  failure: sql(`o.failure || ${detail}`),
};

/** Erases an onboarding that has ended, which its version tells: the same version never looks different. */
export const erasureOfEnded = (id: string, seen: Condition[], actor: 'caller' | 'service'): Change => ({
  id,
  where: [where.stateIn(...ENDED_STATES), () => 'o.erased_at IS NULL', ...seen],
  patch: { ...BLANK, version: sql('o.version + 1') },
  events: [{ type: 'erased', actor }],
});
