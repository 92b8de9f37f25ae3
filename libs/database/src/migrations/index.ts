import type { MigrationInterface } from 'typeorm';
import { Baseline1770000000000 } from './1770000000000-baseline.js';

/** All migrations, in the order in which they run. */
export const MIGRATIONS: (new () => MigrationInterface)[] = [Baseline1770000000000];
