import { Onboardings1763600000000 } from './1763600000000-onboardings.js';

/** In order, by hand: a glob finds nothing once the code is built elsewhere. */
export const MIGRATIONS = [Onboardings1763600000000];
