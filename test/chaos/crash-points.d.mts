import type { NestFastifyApplication } from '@nestjs/platform-fastify';

export interface CrashPlan {
  point: string;
  /** The process kills itself at this visit to the point, counted from 1. */
  visits: number;
  /** In [0, 1): scales the delay of a kill in the middle of a call. */
  jitter: number;
}

export const CRASH_POINTS: readonly string[];

export function nameAttempts(
  app: NestFastifyApplication,
  tokens: { Steps: unknown; Integrations: unknown },
): void;

export function plantCrashPoints(
  app: NestFastifyApplication,
  tokens: { OnboardingStore: unknown; Integrations: unknown; IdempotencyKeys: unknown },
  planned: () => CrashPlan | null,
): void;
