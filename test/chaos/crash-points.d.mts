import type { NestFastifyApplication } from '@nestjs/platform-fastify';

export interface CrashPlan {
  point: string;
  /** The process kills itself when it reaches the point for this time: 1 means the first time. */
  visits: number;
  /** In [0, 1): delays a kill while a call is in progress. */
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
