import { ProblemError, type Caller } from '#libs/kernel';
import type { Onboarding } from './onboarding.entity.js';
import { notFound } from './refusal.js';

type Owned = Pick<Onboarding, 'id' | 'caller' | 'integration'>;

/** Who may give a command. An operator is a caller with `operations:write`. */
export type MayGive = 'owner' | 'owner-or-operator';

const isWithin = ({ integrations }: Caller, row: Owned) =>
  integrations === null || integrations.has(row.integration);

const owns = (caller: Caller, row: Owned) => row.caller === caller.name && isWithin(caller, row);

const operates = ({ scopes }: Caller) => scopes.has('operations:write');

export const seesAll = (caller: Caller) => caller.scopes.has('operations:read') || operates(caller);

/**
 * @throws ProblemError `not_found`, also if the caller may not see the onboarding, so that it stays secret.
 */
export function mustSee<Row extends Owned>(row: Row | null, id: string, caller: Caller): Row {
  if (row && (owns(caller, row) || (seesAll(caller) && isWithin(caller, row)))) return row;
  throw notFound(id);
}

/** @throws ProblemError `not_found` as {@link mustSee}; `forbidden` if the caller may only read the row. */
export function mustTouch<Row extends Owned>(row: Row | null, id: string, caller: Caller, by: MayGive): Row {
  const seen = mustSee(row, id, caller);
  if (owns(caller, seen) || (by === 'owner-or-operator' && operates(caller))) return seen;
  throw new ProblemError('forbidden', { detail: 'This onboarding belongs to another caller.' });
}

/**
 * @returns the caller and the integrations that a row must have by the rule of {@link mustTouch}; null means
 *   any.
 */
export const touchedBy = (caller: Caller, by: MayGive) => ({
  caller: by === 'owner-or-operator' && operates(caller) ? null : caller.name,
  integrations: caller.integrations === null ? null : [...caller.integrations],
});
