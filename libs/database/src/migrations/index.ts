import type { MigrationInterface } from 'typeorm';
import { Baseline1770000000000 } from './1770000000000-baseline.js';

/** In the order in which they run. */
export const MIGRATIONS: (new () => MigrationInterface)[] = [Baseline1770000000000];
