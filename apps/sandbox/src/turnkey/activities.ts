import { createHash, randomUUID } from 'node:crypto';
import type { ActivityScript } from '../control/faults.js';
import type { SandboxClock } from '../sandbox-clock.js';
import type { TurnkeyError } from './turnkey-refusal.js';
import { turnkeyError } from './turnkey-refusal.js';

/** The maximum number of activities, and of stored answers. The oldest ones are dropped. */
export const REMEMBERED = 10_000;

/** An activity with its real outcome. A `script` can show callers another one, or the real one later. */
export interface NewActivity {
  organizationId: string;
  type: string;
  intent: object;
  /** The result under its documented name; null if the activity had no effect. */
  result: object | null;
  fingerprint: string;
  script: ActivityScript | null;
}

interface Activity extends NewActivity {
  id: string;
  createdAtMs: number;
  updatedAtMs: number;
  /** How many more `get_activity` calls show the activity as pending. Null means all calls. */
  pollsLeft: number | null;
}

/** @returns `sha256:` and the hash of a request's body, in hex */
export function fingerprintOf(rawBody: Buffer): string {
  return `sha256:${createHash('sha256').update(rawBody).digest('hex')}`;
}

export class Activities {
  readonly #byId = new Map<string, Activity>();

  constructor(private readonly clock: SandboxClock) {}

  add(activity: NewActivity): string {
    const now = this.clock.nowMs();
    const id = randomUUID();
    const { script } = activity;
    const pollsLeft = script?.polls ?? (script?.status !== null && isPending(script?.status) ? null : 0);
    this.#byId.set(id, { ...activity, id, createdAtMs: now, updatedAtMs: now, pollsLeft });
    for (const oldest of this.#byId.keys()) {
      if (this.#byId.size <= REMEMBERED) break;
      this.#byId.delete(oldest);
    }
    return id;
  }

  organizationOf(id: string): string | null {
    return this.#byId.get(id)?.organizationId ?? null;
  }

  /** Counts this poll. */
  poll(id: string): object {
    const activity = this.#byId.get(id);
    const answer = this.show(id);
    if (activity?.pollsLeft) {
      activity.pollsLeft -= 1;
      if (activity.pollsLeft === 0) activity.updatedAtMs = this.clock.nowMs();
    }
    return answer;
  }

  /** @returns the activity in Turnkey's form */
  show(id: string): object {
    const activity = this.#byId.get(id);
    if (!activity) return {};
    const { organizationId, type, intent, fingerprint } = activity;
    const status = statusOf(activity);
    const completed = status === 'ACTIVITY_STATUS_COMPLETED';
    const common = { id, organizationId, status, type, intent };
    const result = completed ? (activity.result ?? {}) : {};
    const nested = completed && activity.script?.nested === true;
    return {
      ...common,
      result: nested ? { activity: { ...common, result } } : result,
      votes: [],
      fingerprint,
      canApprove: status === 'ACTIVITY_STATUS_CONSENSUS_NEEDED',
      canReject: true,
      createdAt: timestamp(activity.createdAtMs),
      updatedAt: timestamp(activity.updatedAtMs),
      ...(status === 'ACTIVITY_STATUS_FAILED' && { failure: failureOf(activity) }),
    };
  }

  reset(): void {
    this.#byId.clear();
  }
}

function statusOf({ script, pollsLeft }: Activity): string {
  const { status = null } = script ?? {};
  if (pollsLeft !== 0) return `ACTIVITY_STATUS_${isPending(status) ? status : 'PENDING'}`;
  return `ACTIVITY_STATUS_${status === null || isPending(status) ? 'COMPLETED' : status}`;
}

function failureOf({ script }: Activity): TurnkeyError {
  const { message = 'scripted failure', turnkeyErrorCode = null } = script?.failure ?? {};
  return turnkeyError(script?.failure?.status ?? 500, message, turnkeyErrorCode);
}

const isPending = (status: ActivityScript['status'] | undefined): status is 'CREATED' | 'PENDING' =>
  status === 'CREATED' || status === 'PENDING';

/** @returns whole seconds and remaining nanoseconds, both as text */
export function timestamp(ms: number): { seconds: string; nanos: string } {
  return { seconds: String(Math.floor(ms / 1000)), nanos: String((ms % 1000) * 1_000_000) };
}
