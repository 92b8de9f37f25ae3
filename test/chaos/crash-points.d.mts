import type { NestFastifyApplication } from '@nestjs/platform-fastify';

export interface CrashPlan {
  point: string;
  /** It is the n-th time there that kills. */
  visits: number;
  /** In [0, 1): how long a kill in the middle of something waits. */
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
