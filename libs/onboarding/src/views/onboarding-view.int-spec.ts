import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import { ProblemError } from '#libs/kernel';
import { aCaller, anOnboarding, inMs } from '#libs/testing';
import { OnboardingService } from '../commands/onboarding.service.js';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { openViews } from '../fixtures/open-views.js';
import { write } from '../fixtures/write.js';
import { STATES, stepOfState, type State } from '../flow/table.js';
import { OnboardingView } from './onboarding-view.js';
import type { ActionView } from './types.js';

let onboardings: Onboardings;
let views: TestingModule;
beforeAll(async () => {
  onboardings = await openOnboardings();
  views = await openViews();
});
afterAll(() => Promise.all([onboardings.close(), views.close()]));

const read = async (id: string) => (await views.get(OnboardingView).read(id))!;
const EVIDENCE = { bytesSent: true, headersSeen: false, status: null, durationMs: 15_000 };
const UNKNOWN = {
  detail: 'It is unknown whether the request was sent and answered.',
  bytesSent: null,
  headersSeen: null,
};
const AT = '2026-11-28T10:00:00.000Z';

/** An onboarding in step 3: its first attempt failed, and its second attempt got no answer. */
async function lost(
  columns: Record<string, unknown> = {},
  { evidence = EVIDENCE, lapsed }: { evidence?: object; lapsed?: true } = {},
): Promise<string> {
  const id = await anOnboarding(onboardings.dataSource, {
    state: 'outcome_unknown',
    step: 'create-authenticators',
    attempt: 4,
    submission: 3,
    sealed_contact: Buffer.from('canary'),
    metadata: { name: 'canary' },
    unresolved: [
      { step: 'create-authenticators', attempt: 4, at: AT, evidence: { ...evidence, detail: 'canary' } },
    ],
    last_result: { step: 'create-authenticators', code: 'outcome_unknown', detail: 'Lost.', at: AT },
    ...columns,
  });
  const step = 'create-authenticators';
  await write(onboardings.store, id, [
    { type: 'attempt_started', actor: 'service', data: { attempt: 3, step, fingerprint: 'canary' } },
    {
      type: 'attempt_ended',
      actor: 'upstream',
      data: { step, attempt: 3, class: 'unavailable', upstreamStatus: 503, durationMs: 80 },
    },
    { type: 'attempt_started', actor: 'service', data: { attempt: 4, step, fingerprint: 'canary' } },
    {
      type: 'attempt_ended',
      actor: 'upstream',
      data: { step, attempt: 4, class: 'no_answer', upstreamStatus: null, durationMs: 15_000, lapsed },
    },
    { type: 'outcome_lost', actor: 'upstream', data: { ...evidence, detail: 'canary' } },
  ]);
  return id;
}

const allowed = (actions: readonly ActionView[]) =>
  actions.filter((each) => each.allowed).map(({ action }) => action);

describe('the view of one onboarding', () => {
  it.each([
    ['an answer with a status', { headersSeen: true, status: 503 }, undefined, /answered with status 503/],
    ['nothing sent', { bytesSent: false }, undefined, /^No byte of the request was sent\.$/],
    ['a dead process', {}, true, /^The process died, or could not reach PostgreSQL\. It is unknown/],
  ] as const)('says what is known of a call with a lost answer: %s', async (_, seen, lapsed, said) => {
    const evidence = { ...EVIDENCE, ...seen };
    const detail = await read(await lost({}, { evidence, ...(lapsed && { lapsed }) }));
    expect(detail.attempts[1]!.evidence).toMatchObject({
      detail: expect.stringMatching(said),
      bytesSent: lapsed ? null : evidence.bytesSent,
    });
  });

  it('shows the attempts with class, status, duration and evidence', async () => {
    const detail = await read(await lost());
    expect(detail.attempts).toMatchObject([
      { attempt: 3, class: 'unavailable', upstreamStatus: 503, durationMs: 80, unresolved: false },
      {
        attempt: 4,
        class: 'no_answer',
        upstreamStatus: null,
        unresolved: true,
        evidence: { detail: 'The request may have been sent. The service saw no answer.', ...EVIDENCE },
      },
    ]);
    expect(detail.timeline.map(({ type, text }) => `${type}: ${text}`)).toContain(
      'attempt_ended: Attempt 3 ended: unavailable (503).',
    );
    expect(detail.nextAction).toEqual({ type: 'resolve' });
    expect(allowed(detail.actions)).toEqual([
      'resolve_done',
      'resolve_not_done',
      'resend',
      'cancel',
      'erase',
    ]);
  });

  it('shows no contact, no metadata and no text of the provider', async () => {
    const text = JSON.stringify(await read(await lost()));
    expect(text).not.toContain('canary');
    expect(text).not.toContain(Buffer.from('canary').toString('base64'));
    expect(text).not.toMatch(/sealed|"contact"/);
  });

  it('shows the state that follows from passed deadlines, and what the state means', async () => {
    const id = await anOnboarding(onboardings.dataSource, { otp_expires_at: inMs(-1_000) });
    expect(await read(id)).toMatchObject({
      state: 'otp_needed',
      reason: 'otp_expired',
      explanation: expect.stringMatching(/^The user needs a new code \(otp_expired\)\. The caller must ask/),
    });
  });

  it('names the job of a waiting step, and the time of its next try', async () => {
    const id = await anOnboarding(onboardings.dataSource, {
      state: 'otp_submitted',
      step: 'verify-otp',
      attempt: 2,
      next_attempt_at: inMs(9_000),
    });
    const detail = await read(id);
    expect(detail.job).toEqual({ queue: 'steps', id: `${id}_verify-otp_3` });
    expect(detail.explanation).toMatch(
      /^The service asks the provider whether the code is right\. The next try is at 2/,
    );
  });

  it('shows the state, events and attempts of an erased onboarding, but no personal data', async () => {
    const id = await lost();
    await onboardings.module.get(OnboardingService).erase(id, { caller: aCaller(), waitMs: 0 });
    const detail = await read(id);
    expect(detail).toMatchObject({ state: 'cancelled', subject: {}, externalRef: null });
    expect(detail.timeline.at(-1)).toMatchObject({ type: 'erased', text: 'The personal data was erased.' });
    expect(detail.attempts).toMatchObject([{ attempt: 4, unresolved: true, evidence: UNKNOWN }]);
    expect(detail.actions.at(-1)).toMatchObject({ action: 'erase', allowed: false });
  });

  it.each([['no-id'], [randomUUID()]])('is null if no onboarding has the id %p', async (id) => {
    expect(await views.get(OnboardingView).read(id)).toBeNull();
  });
});

describe('the allowed actions', () => {
  const terms = { caller: aCaller(), waitMs: 0 };
  const act = {
    retry: (id: string) => onboardings.module.get(OnboardingService).retry(id, 'r', terms),
    cancel: (id: string) => onboardings.module.get(OnboardingService).cancel(id, 'r', terms),
    resolve_done: (id: string) =>
      onboardings.module.get(OnboardingService).resolve(id, { outcome: 'done', reason: 'r' }, terms),
    erase: (id: string) => onboardings.module.get(OnboardingService).erase(id, terms),
  };

  const inState = (state: State) => {
    const step = state === 'outcome_unknown' ? 'create-authenticators' : stepOfState(state);
    return anOnboarding(onboardings.dataSource, {
      state,
      step,
      attempt: 2,
      session_ends_at: inMs(600_000),
      ...(stepOfState(state) && { next_attempt_at: inMs(60_000) }),
      ...(state === 'failed' && { unresolved: [{ step: 'verify-otp', attempt: 1, at: AT }] }),
    });
  };

  const cases = STATES.flatMap((state) =>
    (Object.keys(act) as (keyof typeof act)[]).map((name) => [state, name] as const),
  );

  it.each(cases)('of an onboarding in the state "%s" agree with the command "%s"', async (state, name) => {
    const id = await inState(state);
    const action = (await read(id)).actions.find((each) => each.action === name)!;
    const refusal = await act[name](id).then(
      () => null,
      (error: unknown) => error as ProblemError,
    );
    expect(action.allowed).toBe(refusal === null);
    expect(action.whyNot).toBe(refusal?.message ?? null);
    expect(action.means).toMatch(/\.$/);
  });
});
