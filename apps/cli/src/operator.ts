import type { Actor } from '#libs/onboarding';
import type { Call } from './command.js';

export const operatorOf = ({ actor }: Call): Actor => ({
  name: actor,
  via: 'cli',
  role: null,
  address: null,
  traceId: null,
});
