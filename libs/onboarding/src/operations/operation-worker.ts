import { randomUUID } from 'node:crypto';
import { Inject, Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import { PreparedStatements, isDatabaseAway } from '#libs/database';
import { JobProducer, Queues, type JobDefinition, type JobHandler, type JobOutcome } from '#libs/jobs';
import { ProblemError, inBatchesWithRests, lowestUuidV7, type Caller } from '#libs/kernel';
import { CONFIG, Log, Tracing, errorOf, type Config, type Span } from '#libs/platform';
import type { Terms } from '../attempt/claim.js';
import { stepJob, stepJobId } from '../attempt/step.job.js';
import { OnboardingService } from '../commands/onboarding.service.js';
import type { Row } from '../flow/row.js';
import { STEPS, stateOfStep, stepOfState, type StepName } from '../flow/table.js';
import { OnboardingStore } from '../store/onboarding.store.js';
import type { Statement } from '../store/statement.js';
import { WAITING_STEPS } from '../store/statements/waiting.js';
import { someAtOnce } from '../upkeep/some-at-once.js';
import { Pauses } from '../upkeep/pauses.js';
import { Retention } from '../upkeep/retain.js';
import { Executors } from './executors.js';
import { operationJob } from './operation-job.js';
import {
  BEGIN,
  COUNT,
  END,
  END_ITEMS,
  FIND_OPERATION,
  FORGET_OPERATIONS,
  LEASE,
  OPEN_OPERATIONS,
  RECORD,
  RETURN,
  TAKE,
} from './operation-statements.js';
import type { ItemOutcome, Operation, OperationAction } from './operation.js';

/** How many items of an operation a process works on at once. */
const BATCH = 10;
/** How many steps one statement reads for `rebuild_wake_ups`. */
const WAKE_BATCH = 200;
const WAKES_AT_ONCE = 10;
/** How long queuing one job may take: long, because no request waits for it. */
const WAKE_MS = 2_000;
/** For an item that fails for a temporary reason. */
const TRIES = 3;
const DAY_MS = 86_400_000;
/** Small, because each operation may have many items. */
const FORGET_BATCH = 5;

/** The route of the items' idempotency keys. No real route has this name. */
const ROUTE = 'operation';

const resume: JobDefinition<object> = {
  queue: 'operations',
  name: 'resume-operations',
  payload: z.object({}),
};

interface Taken {
  onboardingId: string;
  tries: number;
  seenAttempt: number | null;
  wasDone: boolean;
}

interface Ended {
  id: string;
  outcome: Exclude<ItemOutcome, 'waiting'>;
  code: string | null;
  detail: string | null;
}

/**
 * Carries out operations (docs/decisions/0031). Workers lease items, so several workers can share an
 * operation. The command of an item has an idempotency key, so it is not repeated after a crash.
 */
@Injectable()
export class OperationWorker implements OnModuleInit, OnModuleDestroy {
  readonly #logger = new Log('OperationWorker');
  readonly #running = new Set<string>();
  #closing = false;

  constructor(
    private readonly statements: PreparedStatements,
    private readonly store: OnboardingStore,
    private readonly onboardings: OnboardingService,
    private readonly executors: Executors,
    private readonly pauses: Pauses,
    private readonly jobs: JobProducer,
    private readonly queues: Queues,
    private readonly retention: Retention,
    private readonly tracing: Tracing,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  onModuleInit(): void {
    this.retention.register('operations', (stop) => this.#forget(stop));
  }

  onModuleDestroy(): void {
    this.#closing = true;
  }

  handlers(): JobHandler[] {
    const work: JobHandler<z.infer<typeof operationJob.payload>> = {
      job: operationJob,
      handle: ({ operationId }) => this.run(operationId),
    };
    const all: JobHandler<object> = {
      job: resume,
      everyMs: this.config.SWEEP_EVERY_MS,
      handle: () => this.runAll(),
    };
    return [work, all] as JobHandler[];
  }

  async runAll(): Promise<JobOutcome> {
    const open = await this.#run<{ id: string }>(OPEN_OPERATIONS, {});
    const outcomes: JobOutcome = {};
    for (const { id } of open) outcomes[id] = (await this.run(id))['outcome'];
    return outcomes;
  }

  /** Returns once the operation has ended or no item is free. May be called more than once. */
  async run(id: string): Promise<JobOutcome> {
    if (this.#running.has(id)) return { outcome: 'in_progress' };
    this.#running.add(id);
    try {
      await this.#run(BEGIN, { id });
      const [operation] = await this.#run<Operation>(FIND_OPERATION, { id, within: null });
      if (operation?.state !== 'running') return { outcome: operation?.state ?? 'gone' };
      await this.#work(operation);
      const [after] = await this.#run<Operation>(FIND_OPERATION, { id, within: null });
      const { state, total, done, refused, failed } = after!;
      return { outcome: state, total, done, refused, failed };
    } finally {
      this.#running.delete(id);
    }
  }

  async #work(operation: Operation): Promise<void> {
    const { action, actor: by, reason, target } = operation;
    switch (action) {
      case 'pause_integration':
        return;
      case 'resume_integration':
        return this.#alone(operation, async (count) => {
          const { isComplete } = await this.pauses.release(
            String(target['integration']),
            { by, reason },
            count,
          );
          return isComplete;
        });
      case 'rebuild_wake_ups':
        return this.#alone(operation, (count) => this.#rebuild(count));
      default:
        return this.#workItems({ ...operation, action });
    }
  }

  /** For an operation without items. @param work returns whether it is complete. */
  async #alone({ id }: Operation, work: (count: Count) => Promise<boolean>): Promise<void> {
    const held = { id, worker: randomUUID() };
    const { LEASE_MS: leaseMs } = this.config;
    if ((await this.#run(LEASE, { ...held, leaseMs })).length === 0) return;
    try {
      const count: Count = async (more) => (await this.#run(COUNT, { ...held, leaseMs, more })).length > 0;
      if (await work(count)) await this.#run(END, held);
    } finally {
      await this.#run(RETURN, held);
    }
  }

  async #workItems(operation: Operation & { action: OperationAction }): Promise<void> {
    const { id } = operation;
    while (!this.#closing) {
      const taken = await this.#run<Taken>(TAKE, {
        id,
        leaseMs: this.config.LEASE_MS,
        limit: BATCH,
        keyCaller: callerOf(operation).name,
        keyRoute: ROUTE,
      });
      if (taken.length === 0) return void (await this.#run(END_ITEMS, { id }));
      const ended = await Promise.all(taken.map((item) => this.#workItem(operation, item)));
      const items = ended.filter((each) => each !== null);
      await this.#run(RECORD, { id, items, ids: items.map((each) => each.id) });
    }
  }

  /** @returns null if the item must be tried again after its lease ends. */
  async #workItem(operation: Operation & { action: OperationAction }, item: Taken): Promise<Ended | null> {
    const { onboardingId: id, tries, wasDone } = item;
    if (wasDone)
      return { ...doneAs(id), detail: 'Another worker did this item. The timeline shows the result.' };
    try {
      const { action, traceParent } = operation;
      const act = (span?: Span) => {
        span?.set({ 'gangway.onboarding.id': id });
        return this.#act(operation, item);
      };
      return endOf(action, id, await this.tracing.caused(`operation ${action}`, traceParent, act));
    } catch (error) {
      if (isTemporary(error) && tries < TRIES) return null;
      if (error instanceof ProblemError) {
        const outcome = isTemporary(error) || error.status >= 500 ? 'failed' : 'refused';
        return { id, outcome, code: error.code, detail: error.message };
      }
      const about = { err: errorOf(error), operationId: operation.id, onboardingId: id };
      this.#logger.error(about, 'an item of an operation failed');
      return {
        id,
        outcome: 'failed',
        code: 'internal',
        detail: 'The service has a fault. Its log has the details.',
      };
    }
  }

  async #act(
    operation: Operation & { action: OperationAction },
    { onboardingId: id, seenAttempt }: Taken,
  ): Promise<Row | null> {
    const { action, reason } = operation;
    const caller = callerOf(operation);
    const key = {
      caller: caller.name,
      route: ROUTE,
      key: `${operation.id}/${id}`,
      fingerprint: '',
      id: operation.id,
      lockMs: 0,
    };
    const terms: Terms = { caller, waitMs: 0, key };
    // Waits for each call to the provider, so that an operation makes at most `BATCH` calls at a time.
    const patient: Terms = { ...terms, waitMs: this.config.CALL_TIMEOUT_MS };
    switch (action) {
      case 'retry':
        return this.onboardings.retry(id, reason, terms);
      case 'resolve_done':
        return this.onboardings.resolve(id, { outcome: 'done', reason }, terms, seenAttempt);
      case 'resolve_not_done':
        return this.onboardings.resolve(id, { outcome: 'not_done', reason }, patient, seenAttempt);
      case 'cancel':
        return this.onboardings.cancel(id, reason, terms);
      case 'erase':
        await this.onboardings.erase(id, terms);
        return null;
      default:
        return this.executors.get(action)(id, reason, patient);
    }
  }

  /** @returns whether all waiting steps have a job. */
  async #rebuild(count: Count): Promise<boolean> {
    for (const step of STEPS) {
      const beyond = `${stateOfStep(step)}0`;
      let at = { key: `${stateOfStep(step)}/`, after: lowestUuidV7(0) };
      for (;;) {
        if (this.#closing || !this.queues.isReady()) return false;
        const rows = await this.store.run<WaitingStep>(WAITING_STEPS, { ...at, beyond, limit: WAKE_BATCH });
        const woken = await someAtOnce(WAKES_AT_ONCE, rows, (row) => this.#wake(row));
        if (woken.includes(false) || !(await count(rows.length))) return false;
        if (rows.length < WAKE_BATCH) break;
        at = { key: rows.at(-1)!.key, after: rows.at(-1)!.id };
      }
    }
    return true;
  }

  async #wake({ id, step, attempt, waitMs }: WaitingStep): Promise<boolean> {
    const jobId = stepJobId(step, id, attempt + 1);
    const payload = { onboardingId: id };
    if (waitMs > 0) return this.jobs.add(stepJob(step), payload, { id: jobId, delayMs: waitMs });
    return (await this.jobs.wake(stepJob(step), payload, jobId, WAKE_MS)) !== 'refused';
  }

  async #forget(stop?: AbortSignal): Promise<number> {
    const { AUDIT_KEEP_DAYS } = this.config;
    if (AUDIT_KEEP_DAYS === 0) return 0;
    const keptMs = AUDIT_KEEP_DAYS * DAY_MS;
    return inBatchesWithRests(
      FORGET_BATCH,
      async (limit) => (await this.#run(FORGET_OPERATIONS, { keptMs, limit })).length,
      stop,
    );
  }

  #run<T>(statement: Statement, values: Record<string, unknown>): Promise<T[]> {
    return this.statements.run<T>(statement, statement.bind(values));
  }
}

/** Adds to the count and renews the lease. @returns whether this worker still holds the operation. */
type Count = (more: number) => Promise<boolean>;

const doneAs = (id: string): Ended => ({ id, outcome: 'done', code: null, detail: null });

/** If the command succeeded but its code was not sent yet, `detail` says so. */
function endOf(action: OperationAction, id: string, row: Row | null): Ended {
  const done = doneAs(id);
  if (!row || (action !== 'resend' && action !== 'resolve_not_done')) return done;
  const { state, parkedReason, lastResult } = row;
  if (stepOfState(state)) {
    return { ...done, detail: `code not sent yet: ${parkedReason ?? lastResult?.code ?? 'in_progress'}` };
  }
  if (lastResult?.step !== 'init-otp') return done;
  const detail = 'The code was not sent.';
  return action === 'resend' ? { id, outcome: 'failed', code: lastResult.code, detail } : { ...done, detail };
}

interface WaitingStep {
  id: string;
  step: StepName;
  attempt: number;
  waitMs: number;
  key: string;
}

/** The commands run under the actor's name; for a REST caller, without the prefix `caller:`. */
const callerOf = ({ actor, via, integrations }: Operation): Caller => ({
  name: via === 'rest' ? actor.replace(/^caller:/, '') : actor,
  scopes: new Set(['operations:write']),
  integrations: integrations && new Set(integrations),
});

/** A refusal by a subject's budget (429) is not temporary, because it may last for a day. */
const isTemporary = (error: unknown) =>
  error instanceof ProblemError ? error.retryable && error.status !== 429 : isDatabaseAway(error);
