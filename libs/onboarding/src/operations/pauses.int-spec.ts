import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { anOnboarding, inMs } from '#libs/testing';
import { Integrations } from '#libs/upstream';
import { StepHandler } from '../attempt/step.handler.js';
import { anActor } from '../fixtures/an-actor.js';
import { openOnboardings, type Onboardings } from '../fixtures/open-onboardings.js';
import { VerifyStep } from '../fixtures/verify-step.js';
import { IntegrationKnowledge } from '../integrations/integration-knowledge.js';
import { Pauses } from '../upkeep/pauses.js';
import { Probe } from '../upkeep/probe.js';
import { OperationWorker } from './operation-worker.js';
import { Operations } from './operations.js';

const step = new VerifyStep();
let onboardings: Onboardings;
let operations: Operations;
let integration: string;
let wake: (onboardingId: string) => Promise<unknown>;
beforeAll(async () => {
  onboardings = await openOnboardings([step]);
  operations = onboardings.module.get(Operations);
  integration = onboardings.module.get(Integrations).all()[0]!.name;
  await onboardings.module.get(IntegrationKnowledge).sync();
  const handler = onboardings.module
    .get(StepHandler)
    .handlers()
    .find(({ job }) => job.name === 'verify-otp')!;
  wake = (onboardingId) => handler.handle(handler.job.payload.parse({ onboardingId }));
});
afterAll(() => onboardings.close());
beforeEach(async () => {
  for (const table of ['onboardings', 'operations', 'audit_events', 'integration_pauses']) {
    await onboardings.dataSource.query(`DELETE FROM ${table}`);
  }
});
afterEach(() => {
  jest.restoreAllMocks();
  step.script.splice(0);
});

const insert = (columns: Record<string, unknown> = {}) =>
  anOnboarding(onboardings.dataSource, {
    integration,
    state: 'otp_submitted',
    step: 'verify-otp',
    attempt: 2,
    submission: 2,
    next_attempt_at: inMs(-10),
    sealed_otp_code: Buffer.from('code'),
    ...columns,
  });
const byPause = { next_attempt_at: null, parked_reason: 'integration_paused', parked_at: inMs(-1) };
const pause = () => operations.pauseIntegration(integration, 'their maintenance', anActor());
const resume = () => operations.resumeIntegration(integration, 'it is over', anActor());

describe('a paused integration', () => {
  it('gets no call: the step is parked, but `parkings` does not increase', async () => {
    const id = await insert();
    expect(await pause()).toMatchObject({
      action: 'pause_integration',
      state: 'done',
      target: { integration },
    });
    expect(await wake(id)).toEqual({ outcome: 'parked', reason: 'integration_paused' });
    expect(await onboardings.load(id)).toMatchObject({
      state: 'otp_submitted',
      parkedReason: 'integration_paused',
      parkings: 0,
      nextAttemptAt: null,
      lastResult: { code: 'integration_paused' },
      unresolved: [],
    });
    expect(
      await onboardings.dataSource.query('SELECT actor, action, target, data FROM audit_events'),
    ).toEqual([
      {
        actor: 'operator:jane',
        action: 'integration_paused',
        target: integration,
        data: expect.objectContaining({ reason: 'their maintenance', traceId: 'trace-7' }),
      },
    ]);
  });

  it('is not probed, and its onboardings stay parked', async () => {
    const ids = [
      await insert(byPause),
      await insert({ ...byPause, parked_reason: 'upstream_misconfigured', parkings: 1 }),
    ];
    const { provider } = onboardings.module.get(Integrations).find(integration)!;
    const probed = jest.spyOn(provider, 'probe').mockResolvedValue();
    await pause();
    expect(await onboardings.module.get(Probe).run()).toEqual({ unparked: 0, unhealthy: [] });
    expect(probed).not.toHaveBeenCalled();
    for (const id of ids) expect((await onboardings.load(id)).parkedReason).not.toBeNull();
    const operation = await resume();
    await onboardings.module.get(OperationWorker).run(operation.id);
    await onboardings.module.get(Probe).run();
    for (const id of ids) expect((await onboardings.load(id)).parkedReason).toBeNull();
  });

  it('is shown with the operator, the time and the reason of the pause', async () => {
    await pause();
    const knowledge = onboardings.module.get(IntegrationKnowledge);
    // The first call may join a run that began before the pause.
    for (let run = 0; run < 2; run++) await knowledge.sync();
    expect(knowledge.known(integration).pause).toEqual({
      integration,
      since: expect.any(Number),
      by: 'operator:jane',
      reason: 'their maintenance',
    });
  });

  it('cannot be paused again', async () => {
    await pause();
    await expect(pause()).rejects.toMatchObject({ code: 'illegal_state' });
    expect(await onboardings.dataSource.query('SELECT 1 FROM audit_events')).toHaveLength(1);
  });
});

describe('the onboardings that a pause has parked', () => {
  it('continue after the resume, and their timelines show who resumed the integration and why', async () => {
    const id = await insert();
    await pause();
    await wake(id);
    const operation = await resume();
    onboardings.added.splice(0);
    const worked = await onboardings.module.get(OperationWorker).run(operation.id);
    expect(worked).toMatchObject({ outcome: 'done', total: 1, done: 1 });
    const events = await onboardings.store.events(id, 0, 10);
    expect(events.at(-1)).toMatchObject({
      type: 'unparked',
      data: { by: 'operator:jane', reason: 'it is over' },
    });
    expect(onboardings.added).toMatchObject([{ name: 'verify-otp', payload: { onboardingId: id } }]);
    step.script.push(() => step.verified);
    expect(await wake(id)).toMatchObject({ outcome: 'otp_verified' });
  });

  it('are released by the operation that resumes the integration, not by an earlier probe', async () => {
    const id = await insert(byPause);
    await pause();
    const operation = await resume();
    expect(await onboardings.module.get(Probe).run()).toMatchObject({ unparked: 0 });
    await onboardings.module.get(OperationWorker).run(operation.id);
    const events = await onboardings.store.events(id, 0, 10);
    expect(events.at(-1)).toMatchObject({ type: 'unparked', data: { by: 'operator:jane' } });
  });

  it('are released by only one worker, and by another worker if the first one crashes', async () => {
    const id = await insert(byPause);
    await pause();
    const operation = await resume();
    const lease = (until: string) =>
      onboardings.dataSource.query(
        `UPDATE operations SET state = 'running', worker = gen_random_uuid(),
          lease_until = clock_timestamp() + $2::interval WHERE id = $1`,
        [operation.id, until],
      );
    await lease('1 minute');
    const worker = onboardings.module.get(OperationWorker);
    expect(await worker.run(operation.id)).toMatchObject({ outcome: 'running', done: 0 });
    expect((await onboardings.load(id)).parkedReason).toBe('integration_paused');
    await lease('-1 second');
    expect(await worker.run(operation.id)).toMatchObject({ outcome: 'done', done: 1 });
  });

  it('are released by another worker if the first worker stops', async () => {
    const stopping = await openOnboardings([step]);
    const id = await insert(byPause);
    await pause();
    const operation = await resume();
    const worker = stopping.module.get(OperationWorker);
    stopping.module.get(Pauses).onModuleDestroy();
    try {
      expect(await worker.run(operation.id)).toMatchObject({ outcome: 'running' });
      expect((await onboardings.load(id)).parkedReason).toBe('integration_paused');
    } finally {
      await stopping.close();
    }
    const continued = await onboardings.module.get(OperationWorker).run(operation.id);
    expect(continued).toMatchObject({ outcome: 'done', done: 1 });
  });

  it('are released by a probe if they were parked after the resume', async () => {
    await pause();
    const operation = await resume();
    await onboardings.module.get(OperationWorker).run(operation.id);
    const id = await insert(byPause);
    jest.spyOn(onboardings.module.get(Integrations).find(integration)!.provider, 'probe').mockResolvedValue();
    expect(await onboardings.module.get(Probe).run()).toMatchObject({ unparked: 1 });
    expect((await onboardings.load(id)).parkedReason).toBeNull();
  });
});

describe('a resume or a pause', () => {
  it('is refused if it would change nothing, or if the actor may not touch the integration', async () => {
    await expect(resume()).rejects.toMatchObject({ code: 'illegal_state' });
    await expect(operations.pauseIntegration('unheard-of', 'r', anActor())).rejects.toMatchObject({
      code: 'not_found',
    });
    const actor = anActor({ integrations: ['another'] });
    await expect(operations.pauseIntegration(integration, 'r', actor)).rejects.toMatchObject({
      code: 'not_found',
    });
    await pause();
    const operation = await resume();
    await expect(operations.abort(operation.id, 'r', anActor())).rejects.toMatchObject({
      code: 'illegal_state',
    });
  });
});
