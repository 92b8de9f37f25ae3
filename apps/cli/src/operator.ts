import type { Actor } from '#libs/onboarding';
import type { Call } from './command.js';

/** @returns the user of the machine, as the actor of an operation. */
export const operatorOf = ({ actor }: Call): Actor => ({
  name: actor,
  via: 'cli',
  role: null,
  address: null,
  traceId: null,
});
