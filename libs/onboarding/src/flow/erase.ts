import { NO_SETTINGS, move, type Moved } from './move.js';
import type { Patch, Row } from './row.js';
import { SEALED, isEnded } from './table.js';

/** The row still shows how and when the onboarding ended. The events of an erased onboarding have no data. */
export function erase(row: Row, actor: 'caller' | 'service'): Moved {
  const { now } = row;
  const cancelled = isEnded(row.state) ? null : move(row, 'cancelled', {}, { now, settings: NO_SETTINGS });
  return {
    patch: {
      ...(cancelled ? cancelled.patch : { version: row.version + 1 }),
      ...BLANK,
      erasedAt: now,
      // Unique, and never the key of a subject.
      subjectKey: `erased:${row.id}`,
      unresolved: row.unresolved.map(({ step, attempt, at }) => ({ step, attempt, at })),
      lastResult: row.lastResult && blanked(row.lastResult),
      failure: row.failure && { ...row.failure, detail: ERASED },
    },
    events: [...(cancelled?.events ?? []), { type: 'erased', actor }],
    refund: null,
  };
}

const ERASED = 'Erased.';
function blanked(result: NonNullable<Row['lastResult']>) {
  const { errors: _, ...rest } = result;
  return { ...rest, detail: ERASED };
}

const BLANK: Patch = {
  sealedDataKey: null,
  dataKeyId: null,
  sealedContact: null,
  ...Object.fromEntries(SEALED.map((field) => [field, null])),
  subject: {} as Patch['subject'] & object,
  externalRef: null,
  metadata: {},
  fingerprint: null,
  otpChoice: {},
  otpHandle: null,
  otpTargetBundle: null,
  deviceSigning: null,
  authenticators: [],
  pendingAuthenticators: [],
};
