import { Inject, Injectable, Logger, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { z } from 'zod';
import { PreparedStatements, isDatabaseAway } from '#libs/database';
import { JobProducer, Queues, type JobDefinition, type JobHandler, type JobOutcome } from '#libs/jobs';
import { ProblemError, lowestUuidV7, type Caller } from '#libs/kernel';
import { CONFIG, type Config } from '#libs/platform';
import type { Terms } from '../attempt/claim.js';
import { stepJob, stepJobId } from '../attempt/step.job.js';
import { OnboardingService } from '../commands/onboarding.service.js';
import { STEPS, stateOfStep, type StepName } from '../flow/table.js';
import { OnboardingStore } from '../store/onboarding.store.js';
import type { Statement } from '../store/statement.js';
import { WAITING_STEPS } from '../store/statements/waiting.js';
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
  OPEN_OPERATIONS,
  RECORD,
  TAKE,
} from './operation-statements.js';
import type { ItemOutcome, Operation, OperationAction } from './operation.js';

/** How many items of an operation a process works on at once. */
const BATCH = 10;
/** How many wake-ups a statement reads. */
const WAKE_BATCH = 500;
/** How long a wake-up may take: no request waits for it. */
const WAKE_MS = 2_000;
/** How often workers try an item that fails for a temporary reason. */
const TRIES = 3;
const DAY_MS = 86_400_000;
/** Operations in one statement. Each may have many items. */
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
  wasDone: boolean;
}

interface Ended {
  id: string;
  outcome: Exclude<ItemOutcome, 'waiting'>;
  code: string | null;
  detail: string | null;
}

/**
 * Carries out operations. The rows are the truth: a job only starts the work, and a schedule finds operations
 * whose job or worker is gone. Each item is leased, so several workers can share an operation. Each command
 * takes an idempotency key, so an item that was done before a crash is not done again.
 */
@Injectable()
export class OperationWorker implements OnModuleInit, OnModuleDestroy {
  readonly #logger = new Logger(OperationWorker.name);
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
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  onModuleInit(): void {
    this.retention.register('operations', () => this.#forget());
  }

  /** A stopping process finishes its batch. Another worker continues. */
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

  /** Carries out all operations that have not ended, oldest first. */
  async runAll(): Promise<JobOutcome> {
    const open = await this.#run<{ id: string }>(OPEN_OPERATIONS, {});
    const outcomes: JobOutcome = {};
    for (const { id } of open) outcomes[id] = (await this.run(id))['outcome'];
    return outcomes;
  }

  /** Carries out one operation until it has ended, or no item is free. Safe to run twice. */
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
    const { id, action, actor, reason, target } = operation;
    switch (action) {
      case 'pause_integration':
        return;
      case 'resume_integration': {
        const by = { by: actor, reason };
        await this.pauses.release(String(target['integration']), by, (more) => this.#count(id, more));
        return void (await this.#run(END, { id }));
      }
      case 'rebuild_wake_ups':
        if (await this.#rebuild(operation)) await this.#run(END, { id });
        return;
      default:
        return this.#workItems({ ...operation, action });
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

  /** @returns null if the item must be tried again, once its lease is over. */
  async #workItem(operation: Operation & { action: OperationAction }, item: Taken): Promise<Ended | null> {
    const { onboardingId: id, tries, wasDone } = item;
    const done: Ended = { id, outcome: 'done', code: null, detail: null };
    if (wasDone) return done;
    try {
      await this.#act(operation, id);
      return done;
    } catch (error) {
      if (isTemporary(error) && tries < TRIES) return null;
      if (error instanceof ProblemError) {
        const outcome = isTemporary(error) || error.status >= 500 ? 'failed' : 'refused';
        return { id, outcome, code: error.code, detail: error.message };
      }
      this.#logger.error(error);
      return {
        id,
        outcome: 'failed',
        code: 'internal',
        detail: 'The service has a fault. The log says more.',
      };
    }
  }

  async #act(operation: Operation & { action: OperationAction }, id: string): Promise<unknown> {
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
    // Waits for a call to the provider, so that an operation makes at most a batch of calls at once.
    const patient: Terms = { ...terms, waitMs: this.config.CALL_TIMEOUT_MS };
    switch (action) {
      case 'retry':
        return this.onboardings.retry(id, reason, terms);
      case 'resolve_done':
        return this.onboardings.resolve(id, { outcome: 'done', reason }, terms);
      case 'resolve_not_done':
        return this.onboardings.resolve(id, { outcome: 'not_done', reason }, patient);
      case 'cancel':
        return this.onboardings.cancel(id, reason, terms);
      case 'erase':
        return this.onboardings.erase(id, terms);
      default:
        return this.executors.get(action)(id, reason, patient);
    }
  }

  /** @returns whether all waiting steps have a job: false if Redis takes none, or the process stops. */
  async #rebuild({ id: operationId, total }: Operation): Promise<boolean> {
    // A repeat starts from the beginning: the jobs of the first run may be lost again.
    await this.#count(operationId, -total);
    for (const step of STEPS) {
      const beyond = `${stateOfStep(step)}0`;
      let at = { key: `${stateOfStep(step)}/`, after: lowestUuidV7(0) };
      for (;;) {
        if (this.#closing || !this.queues.isReady()) return false;
        const rows = await this.store.run<WaitingStep>(WAITING_STEPS, { ...at, beyond, limit: WAKE_BATCH });
        for (const row of rows) if (!(await this.#wake(row))) return false;
        if (rows.length > 0) await this.#count(operationId, rows.length);
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

  async #count(id: string, more: number): Promise<void> {
    await this.#run(COUNT, { id, more });
  }

  async #forget(): Promise<number> {
    const { AUDIT_KEEP_DAYS } = this.config;
    if (AUDIT_KEEP_DAYS === 0) return 0;
    for (let forgotten = 0; ;) {
      const values = { keptMs: AUDIT_KEEP_DAYS * DAY_MS, limit: FORGET_BATCH };
      const rows = await this.#run(FORGET_OPERATIONS, values);
      forgotten += rows.length;
      if (rows.length < FORGET_BATCH) return forgotten;
    }
  }

  #run<T>(statement: Statement, values: Record<string, unknown>): Promise<T[]> {
    return this.statements.run<T>(statement, statement.bind(values));
  }
}

interface WaitingStep {
  id: string;
  step: StepName;
  attempt: number;
  waitMs: number;
  key: string;
}

/** The actor, as a caller of the commands. A caller of the REST interface keeps its name. */
const callerOf = ({ actor, via, integrations }: Operation): Caller => ({
  name: via === 'rest' ? actor.replace(/^caller:/, '') : actor,
  scopes: new Set(['operations:write']),
  integrations: integrations && new Set(integrations),
});

/** Whether the same command may succeed soon. A subject's limit does not count: it may last for a day. */
const isTemporary = (error: unknown) =>
  error instanceof ProblemError ? error.retryable && error.status !== 429 : isDatabaseAway(error);
