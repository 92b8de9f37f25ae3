import { ProblemError, type Caller } from '#libs/kernel';
import type { Onboarding } from './onboarding.entity.js';
import { notFound } from './refusal.js';

type Owned = Pick<Onboarding, 'id' | 'caller' | 'integration'>;

/** Whether a command may be given on anybody's onboarding by who operates, or by its owner only. */
export type MayGive = 'owner' | 'owner-or-operator';

const isWithin = ({ integrations }: Caller, row: Owned) =>
  integrations === null || integrations.has(row.integration);

const owns = (caller: Caller, row: Owned) => row.caller === caller.name && isWithin(caller, row);

const operates = ({ scopes }: Caller) => scopes.has('operations:write');

/** Who operates sees everybody's onboardings. */
export const seesAll = (caller: Caller) => caller.scopes.has('operations:read') || operates(caller);

/** Another caller's onboarding is told apart from none at all to those only who may see it. */
export function mustSee<Row extends Owned>(row: Row | null, id: string, caller: Caller): Row {
  if (row && (owns(caller, row) || (seesAll(caller) && isWithin(caller, row)))) return row;
  throw notFound(id);
}

/**
 * @throws ProblemError `not_found` for whom the row is not there; `forbidden` for who may look at it and no more.
 */
export function mustTouch<Row extends Owned>(row: Row | null, id: string, caller: Caller, by: MayGive): Row {
  const seen = mustSee(row, id, caller);
  if (owns(caller, seen) || (by === 'owner-or-operator' && operates(caller))) return seen;
  throw new ProblemError('forbidden', { detail: 'This onboarding is another caller’s.' });
}

/**
 * The same as {@link mustTouch}, for a statement that writes without having read.
 *
 * @returns the caller and the integrations that a row must have; null for any.
 */
export const touchedBy = (caller: Caller, by: MayGive) => ({
  caller: by === 'owner-or-operator' && operates(caller) ? null : caller.name,
  integrations: caller.integrations === null ? null : [...caller.integrations],
});
