import { Inject, Injectable } from '@nestjs/common';
import { PreparedStatements, prepared } from '#libs/database';
import { JobProducer } from '#libs/jobs';
import { CLOCK, ProblemError, lowestUuidV7, uuidV7, type Clock } from '#libs/kernel';
import { Log, currentSpan } from '#libs/platform';
import { asOfNow } from '../flow/move.js';
import { changing } from '../flow/refusal.js';
import type { KeyToTake } from '../store/onboarding.store.js';
import { readRow, type Raw } from '../store/read-row.js';
import type { Statement } from '../store/statement.js';
import { operationJob } from './operation-job.js';
import {
  ABORT,
  FIND_OPERATION,
  KNOWS_INTEGRATION,
  LIST_OPERATIONS,
  OPERATIONS_OF_ONBOARDING,
  OPERATION_ITEMS,
  PAUSE,
  REBUILD,
  RESUME,
} from './operation-statements.js';
import {
  MAX_ITEMS,
  type Actor,
  type ItemOutcome,
  type Operation,
  type OperationAction,
  type OperationFilter,
  type OperationItem,
  type OperationOfOnboarding,
  type OperationTarget,
  type Preview,
  type SystemAction,
} from './operation.js';
import { summaryOf } from '../views/summary.js';
import { previewStatements } from './preview-statements.js';
import { invalid, mustHaveCondition, reasonOf } from './rules.js';
import { startStatement, targetIds, type Sql } from './start-statement.js';

const SAMPLE = 10;
const LOWEST = lowestUuidV7(0);
const HIGHEST = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
/**
 * Filters that identify a person or an account. Operations do not store their values, because an erasure does
 * not change operations.
 */
const PERSONAL: ReadonlySet<string> = new Set<keyof OperationFilter>(['accountId', 'userId', 'externalRef']);

export interface StartOptions {
  /** Its id becomes the id of the operation. If the key exists already, nothing is written. */
  key?: KeyToTake | undefined;
  /** The count of the dry run. If more onboardings match now, nothing is written. */
  atMost?: number | undefined;
}

/** A reader sees only operations that are limited to these integrations. Null: all operations. */
export type Within = readonly string[] | null;

/**
 * Starts, shows and aborts operations. Each start and each abort is committed together with its audit event.
 */
@Injectable()
export class Operations {
  readonly #logger = new Log('Operations');

  /** @param jobs null in a process without Redis: then, a worker's scheduled job finds new operations. */
  constructor(
    private readonly statements: PreparedStatements,
    @Inject(JobProducer) private readonly jobs: Pick<JobProducer, 'wake'> | null,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /**
   * Makes a dry run.
   *
   * @param most counting stops at this number.
   * @throws ProblemError `validation_failed` if the filter has no condition.
   */
  async preview(
    target: OperationTarget,
    actor: Pick<Actor, 'integrations'> = {},
    most = MAX_ITEMS,
  ): Promise<Preview> {
    mustHaveCondition(target);
    return this.#look(target, actor, { sample: SAMPLE, most });
  }

  /** Only for display, so a filter without a condition is allowed: it selects all onboardings. */
  newest(filter: OperationFilter, limit: number): Promise<Preview> {
    return this.#look({ filter }, {}, { sample: limit, most: MAX_ITEMS });
  }

  async #look(
    target: OperationTarget,
    actor: Pick<Actor, 'integrations'>,
    { sample, most }: { sample: number; most: number },
  ): Promise<Preview> {
    const { all, newest } = previewStatements(target, actor, { sample, limit: most + 1 });
    const read = <R>({ text, values }: Sql) => this.statements.run<R>(prepared(text), values);
    const [counts, rows] = await Promise.all([read<{ count: number }>(all), read<Raw>(newest)]);
    const { count } = counts[0]!;
    return {
      count: Math.min(count, most),
      counted: count > most ? 'at_least' : 'exactly',
      sample: rows.map((raw) => summaryOf(asOfNow(readRow(raw, 0)))),
    };
  }

  /**
   * Commits the operation with its items, and then wakes a worker.
   *
   * @throws ProblemError `validation_failed`, with nothing written, if the filter has no condition, the
   *   reason is not acceptable, or too many onboardings match.
   */
  async start(
    action: OperationAction,
    target: OperationTarget,
    reason: string,
    actor: Actor,
    { key, atMost }: StartOptions = {},
  ): Promise<Operation> {
    mustHaveCondition(target);
    const given = this.#given(action, storable(target), reason, actor, key?.id);
    const { run, values } = startStatement(targetIds(target, actor, MAX_ITEMS + 1), {
      ...given,
      max: Math.min(atMost ?? MAX_ITEMS, MAX_ITEMS),
      audited: 'operation_started',
      auditTarget: given.id,
      ...keyColumns(key),
    });
    const [started] = await this.statements.run<Operation & { count: number; isRepetition: boolean }>(
      run,
      values,
    );
    const { count, isRepetition, ...operation } = started!;
    // A repeated request must get the first answer. So it gets this retryable error before any other error.
    if (isRepetition) throw changing();
    if (count > MAX_ITEMS) {
      throw invalid('/filter', 'too_big', `More than ${MAX_ITEMS} onboardings match. Narrow the filter.`);
    }
    if (atMost !== undefined && count > atMost) {
      const [now, then] = [count, atMost].map((each) => each.toLocaleString('en'));
      const detail = `Now ${now} onboardings match; the dry run showed ${then}. Repeat the dry run.`;
      throw invalid('/atMost', 'too_small', detail);
    }
    if (operation.id === null) throw changing();
    return this.#started(operation, actor);
  }

  /**
   * Stops new calls to the integration: its steps are parked. Calls in flight end as usual.
   *
   * @throws ProblemError `not_found`; `illegal_state` if the integration is paused already.
   */
  async pauseIntegration(name: string, reason: string, actor: Actor): Promise<Operation> {
    await this.#mustKnow(name, actor);
    const paused = await this.#ofIntegration(PAUSE, 'pause_integration', name, reason, actor);
    if (!paused) throw new ProblemError('illegal_state', { detail: `${name} is already paused.` });
    return paused;
  }

  /**
   * Ends the pause. A worker releases the onboardings that the pause has parked.
   *
   * @throws ProblemError `not_found`; `illegal_state` if the integration is not paused.
   */
  async resumeIntegration(name: string, reason: string, actor: Actor): Promise<Operation> {
    await this.#mustKnow(name, actor);
    const resumed = await this.#ofIntegration(RESUME, 'resume_integration', name, reason, actor);
    if (!resumed) throw new ProblemError('illegal_state', { detail: `${name} is not paused.` });
    await this.#wake(resumed);
    return resumed;
  }

  /** Queues the jobs of all waiting steps again, after Redis has lost them. */
  async rebuildWakeUps(reason: string, actor: Actor, key?: KeyToTake): Promise<Operation> {
    const given = this.#given('rebuild_wake_ups', {}, reason, actor, key?.id);
    const operation = await this.#write(REBUILD, {
      ...given,
      ...keyColumns(key),
      audited: 'operation_started',
      auditTarget: given.id,
    });
    if (!operation) throw changing();
    return this.#started(operation, actor);
  }

  async find(id: string, within: Within = null): Promise<Operation | null> {
    return this.#write(FIND_OPERATION, { id, within });
  }

  /** Newest first. @param after the id of the last operation of the previous page. */
  list(limit: number, after?: string, within: Within = null): Promise<Operation[]> {
    const values = LIST_OPERATIONS.bind({ limit, below: after ?? HIGHEST, within });
    return this.statements.run<Operation>(LIST_OPERATIONS, values);
  }

  /** By onboarding id. @param after the id of the last onboarding of the previous page. */
  items(
    id: string,
    {
      outcome,
      after,
      limit,
    }: { outcome?: ItemOutcome | undefined; after?: string | undefined; limit: number },
  ): Promise<OperationItem[]> {
    const values = OPERATION_ITEMS.bind({ id, outcome: outcome ?? null, after: after ?? LOWEST, limit });
    return this.statements.run<OperationItem>(OPERATION_ITEMS, values);
  }

  ofOnboarding(id: string, limit: number): Promise<OperationOfOnboarding[]> {
    return this.statements.run(OPERATIONS_OF_ONBOARDING, OPERATIONS_OF_ONBOARDING.bind({ id, limit }));
  }

  /**
   * Ends an operation early. Items that a worker has begun still end; the others stay `waiting`.
   *
   * @throws ProblemError `not_found`; `illegal_state` if the operation has ended or resumes an integration.
   */
  async abort(id: string, reason: string, actor: Actor): Promise<Operation> {
    const operation = await this.find(id, actor.integrations);
    if (!operation) throw noSuchOperation(id);
    if (operation.action === 'resume_integration') {
      throw new ProblemError('illegal_state', {
        detail: 'This operation cannot be aborted. To stop it, pause the integration again.',
      });
    }
    const aborted = await this.#write(ABORT, {
      id,
      actor: actor.name,
      audited: 'operation_aborted',
      auditTarget: id,
      address: actor.address,
      auditData: dataOf(operation.action, reasonOf(reason), actor),
    });
    if (!aborted) throw new ProblemError('illegal_state', { detail: 'The operation has ended.' });
    this.#log('operation_aborted', aborted, actor);
    return aborted;
  }

  async #ofIntegration(
    statement: Statement,
    action: 'pause_integration' | 'resume_integration',
    integration: string,
    reason: string,
    actor: Actor,
  ): Promise<Operation | null> {
    const audited = action === 'pause_integration' ? 'integration_paused' : 'integration_resumed';
    const operation = await this.#write(statement, {
      ...this.#given(action, { integration }, reason, actor),
      integrations: [integration],
      integration,
      audited,
      auditTarget: integration,
    });
    if (operation) this.#log(audited, operation, actor);
    return operation;
  }

  async #mustKnow(integration: string, { integrations }: Actor): Promise<void> {
    const may = !integrations || integrations.includes(integration);
    const [row] = may
      ? await this.statements.run<{ known: boolean }>(
          KNOWS_INTEGRATION,
          KNOWS_INTEGRATION.bind({ integration }),
        )
      : [];
    if (!row?.known) throw new ProblemError('not_found', { detail: 'There is no such integration.' });
  }

  #given(
    action: OperationAction | SystemAction,
    target: object,
    reasonGiven: string,
    actor: Actor,
    id = uuidV7(this.clock.nowMs()),
  ) {
    const reason = reasonOf(reasonGiven);
    return {
      id,
      action,
      actor: actor.name,
      via: actor.via,
      role: actor.role,
      reason,
      target,
      integrations: actor.integrations ?? null,
      traceParent: currentSpan()?.root.traceparent ?? null,
      address: actor.address,
      auditData: dataOf(action, reason, actor),
    };
  }

  async #write(statement: Statement, values: Record<string, unknown>): Promise<Operation | null> {
    const [operation] = await this.statements.run<Operation>(statement, statement.bind(values));
    return operation ?? null;
  }

  async #started(operation: Operation, actor: Actor): Promise<Operation> {
    this.#log('operation_started', operation, actor);
    await this.#wake(operation);
    return operation;
  }

  async #wake({ id: operationId, state }: Operation): Promise<void> {
    if (state === 'queued') await this.jobs?.wake(operationJob, { operationId }, operationId);
  }

  #log(
    action: string,
    { id: operationId, action: operationAction }: Operation,
    { name: actor, address }: Actor,
  ): void {
    const audit = { action, actor, address, operationId, of: operationAction };
    this.#logger.info({ operationId, audit }, `audit: ${action} by ${actor}`);
  }
}

export const noSuchOperation = (id: string) =>
  new ProblemError('not_found', { detail: `There is no operation ${id}.` });

const dataOf = (action: string, reason: string, { via, role, traceId, identity }: Actor) => ({
  action,
  reason,
  via,
  ...(role !== null && { role }),
  ...(traceId !== null && { traceId }),
  ...(identity !== undefined && { identity }),
});

const keyColumns = (key: KeyToTake | undefined) => ({
  keyCaller: key?.caller ?? null,
  route: key?.route ?? null,
  key: key?.key ?? null,
  keyFingerprint: key?.fingerprint ?? null,
  takenBy: key?.id ?? null,
  lockMs: key?.lockMs ?? null,
});

function storable(target: OperationTarget): object {
  if ('ids' in target) return { ids: target.ids };
  const filter = Object.entries(target.filter)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, PERSONAL.has(name) ? 'not kept' : value]);
  return { filter: Object.fromEntries(filter) };
}
