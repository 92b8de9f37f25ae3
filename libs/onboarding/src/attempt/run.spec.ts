import { Logger } from '@nestjs/common';
import { beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Clock } from '#libs/kernel';
import { aRow, testConfig } from '#libs/testing';
import type { Call, Integrations } from '#libs/upstream';
import type { DataKeys } from '../store/data-keys.js';
import type { OnboardingStore } from '../store/onboarding.store.js';
import type { Settlement } from './settle.js';
import { StepRunner } from './run.js';
import type { Step, StepEnd, Steps } from './step.js';
import type { Subjects } from '../store/subjects.js';
import type { AttemptEnd } from './verdict.js';

const CLAIM_MAX_AGE_MS = 800;
const CALL_TIMEOUT_MS = 1_000;
const config = testConfig({
  CLAIM_MAX_AGE_MS: String(CLAIM_MAX_AGE_MS),
  CALL_TIMEOUT_MS: String(CALL_TIMEOUT_MS),
});

/** The monotonic clock. The attempt was written at 0. */
let nowMs = 0;
let calls: Call[] = [];
let ends: AttemptEnd[] = [];
beforeAll(() => Logger.overrideLogger(false));
beforeEach(() => {
  nowMs = 0;
  calls = [];
  ends = [];
});

const end: StepEnd = {
  signal: 'otp_verified',
  facts: { sealedGrant: Buffer.from('grant'), deviceSigning: null, sessionExpiresAt: new Date(0) },
};
const step = {
  call: async (_provider: unknown, call: Call) => {
    calls.push(call);
    call.beforeSend();
    return end;
  },
};
const runner = new StepRunner(
  { get: () => step as unknown as Step } as unknown as Steps,
  { find: () => ({ provider: {} }) } as unknown as Integrations,
  { settle: async (row: unknown, how: AttemptEnd) => (ends.push(how), row) } as unknown as Settlement,
  { keepRequests: async () => true } as unknown as OnboardingStore,
  {} as DataKeys,
  { opened: (row: unknown) => row } as Subjects,
  config,
  { monotonicMs: () => nowMs, nowMs: () => nowMs } as Clock,
);

/** Makes an attempt whose code expires `leftMs` after the attempt was written. */
const claimed = (leftMs: number) => {
  const now = new Date();
  const row = aRow({
    state: 'otp_submitted',
    step: 'verify-otp',
    now,
    idleEndsAt: new Date(now.getTime() + 1_800_000),
    lifeEndsAt: new Date(now.getTime() + 86_400_000),
    otpExpiresAt: new Date(now.getTime() + leftMs),
  });
  return { row, claimedAtMs: 0 };
};

describe('the call of an attempt', () => {
  it('may take the whole configured timeout if no deadline is earlier', async () => {
    await runner.run(claimed(60_000));
    expect(calls[0]!.timeoutMs).toBe(CALL_TIMEOUT_MS);
    expect(ends).toMatchObject([{ type: 'succeeded' }]);
  });

  it('gets a shorter timeout if the code, the session or the onboarding ends earlier', async () => {
    nowMs = 100;
    await runner.run(claimed(300));
    expect(calls[0]!.timeoutMs).toBe(200);
  });

  it('is not sent after the code has expired', async () => {
    nowMs = 21;
    await runner.run(claimed(21));
    expect(ends).toMatchObject([
      { type: 'failed', error: { failure: 'not_sent', evidence: { bytesSent: false } } },
    ]);
  });
});
