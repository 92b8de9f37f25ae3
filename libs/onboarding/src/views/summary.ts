import type { Row } from '../flow/row.js';
import type { OnboardingSummary } from './types.js';

/** @param row the row that `asOfNow` returns. */
export const summaryOf = (row: Row): OnboardingSummary => ({
  id: row.id,
  integration: row.integration,
  caller: row.caller,
  state: row.state,
  step: row.step,
  parkedReason: row.parkedReason,
  externalRef: row.externalRef,
  lastResultCode: (row.failure ?? row.lastResult)?.code ?? null,
  createdAt: row.createdAt.toISOString(),
  updatedAt: row.updatedAt.toISOString(),
  nextAttemptAt: row.nextAttemptAt?.toISOString() ?? null,
});
