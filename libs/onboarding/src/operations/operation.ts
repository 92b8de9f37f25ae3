import type { ListFilter } from '../store/list-reader.js';
import type { OnboardingSummary } from '../views/types.js';

export const OPERATION_ACTIONS = [
  'retry',
  'resolve_done',
  'resolve_not_done',
  'cancel',
  'resend',
  'erase',
] as const;
export type OperationAction = (typeof OPERATION_ACTIONS)[number];

/** The actions of operations that have no list of onboardings. */
export const SYSTEM_ACTIONS = ['pause_integration', 'resume_integration', 'rebuild_wake_ups'] as const;
export type SystemAction = (typeof SYSTEM_ACTIONS)[number];

export const OPERATION_STATES = ['queued', 'running', 'done', 'aborted'] as const;
export type OperationState = (typeof OPERATION_STATES)[number];

export const ITEM_OUTCOMES = ['waiting', 'done', 'refused', 'failed'] as const;
export type ItemOutcome = (typeof ITEM_OUTCOMES)[number];

export const MAX_ITEMS = 100_000;

/** At least one filter must be set. */
export type OperationFilter = Omit<ListFilter, 'organizationId' | 'contact' | 'limit' | 'after'>;

export type OperationTarget = { ids: readonly string[] } | { filter: OperationFilter };

/** Who starts or aborts an operation. */
export interface Actor {
  /** `operator:<name>`, `caller:<name>` or `cli:<user of the machine>`. */
  name: string;
  via: 'console' | 'rest' | 'cli';
  role: string | null;
  address: string | null;
  traceId: string | null;
  /** Distinguishes persons with the same name in the audit. Absent for callers. */
  identity?: string | undefined;
  /** The integrations that the actor may touch; undefined or null for all. */
  integrations?: readonly string[] | null | undefined;
}

export interface Operation {
  id: string;
  action: OperationAction | SystemAction;
  actor: string;
  via: Actor['via'];
  role: string | null;
  reason: string;
  state: OperationState;
  /**
   * The number of items. For `resume_integration` and `rebuild_wake_ups`, `total` and `done` count the
   * released or queued onboardings.
   */
  total: number;
  done: number;
  refused: number;
  failed: number;
  createdAt: Date;
  endedAt: Date | null;
  /** As the actor gave it, but with "not kept" for each filter value that identifies a person. */
  target: Record<string, unknown>;
  integrations: string[] | null;
  /** The W3C trace context of the request that started the operation. */
  traceParent: string | null;
}

export interface OperationItem {
  onboardingId: string;
  outcome: ItemOutcome;
  /** The problem code of a refused or failed item. */
  code: string | null;
  detail: string | null;
  at: Date | null;
}

export interface OperationOfOnboarding
  extends
    Pick<Operation, 'id' | 'actor' | 'reason' | 'createdAt'>,
    Omit<OperationItem, 'onboardingId' | 'at'> {
  action: OperationAction;
}

export interface Preview {
  count: number;
  /** `at_least`: counting stopped at this number. */
  counted: 'exactly' | 'at_least';
  sample: OnboardingSummary[];
}
