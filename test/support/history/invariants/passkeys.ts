import type { Invariant } from '../invariant.js';

export const passkeys: Invariant = ({ row, events, calls }) => {
  const found: string[] = [];
  const known = new Map(row.authenticators.map(({ credentialId, id }) => [credentialId, id]));
  const inDoubt = row.unresolved.some(({ step }) => step === 'create-authenticators');
  const resolvedDone = events.some(
    ({ type, data }) =>
      type === 'resolved' && data.step === 'create-authenticators' && data.outcome === 'done',
  );
  const created = new Set<string>();
  for (const { attempt, effect } of calls) {
    if (effect?.type !== 'authenticators_created') continue;
    for (const [index, credentialId] of (effect.credentialIds ?? []).entries()) {
      created.add(credentialId);
      if (!known.has(credentialId) && !inDoubt && !resolvedDone) {
        found.push(`call ${attempt} created ${credentialId}, which is not on the row`);
      }
      const id = known.get(credentialId);
      if (id && id !== effect.authenticatorIds?.[index]) {
        found.push(
          `${credentialId} has the id ${effect.authenticatorIds?.[index]} upstream, but ${id} on the row`,
        );
      }
    }
  }
  for (const credentialId of known.keys()) {
    if (!created.has(credentialId)) found.push(`the row has ${credentialId}, which upstream never created`);
  }
  if (row.state === 'completed' && known.size === 0) found.push('completed without a passkey');
  return found;
};
