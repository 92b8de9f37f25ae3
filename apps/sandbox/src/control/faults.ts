import { BoundedLog } from './bounded-log.js';
import type { ParsedActivityScript, ParsedFaultSpec } from './fault.dto.js';

/** The answer of a fault, in place of the true one. */
export interface FaultAnswer {
  status: number;
  /** Null: an error in the upstream's form. */
  body: string | null;
  contentType: string;
  retryAfterS: number | null;
}

/** The script for a Turnkey activity. */
export interface ActivityScript {
  /** Its end, or CREATED or PENDING for one that completes later; null: it completes as usual. */
  status: NonNullable<ParsedActivityScript['status']> | null;
  /** The number of `get_activity` calls that see it pending; null: none, or all for CREATED and PENDING. */
  polls: number | null;
  /** Whether the activity takes effect. */
  effect: boolean;
  /** Whether the result is inside another activity: `activity.result.activity.result`. */
  nested: boolean;
  /** The failure of a FAILED activity; null: a default error. */
  failure: NonNullable<ParsedActivityScript['failure']> | null;
}

/** The facts of a request that decide whether a fault strikes it. */
export interface Target {
  route: string;
  path: string;
  userId: string | null;
  organizationId?: string | null;
  contact?: string | null;
}

/** A parsed fault. */
export interface Fault {
  id: number;
  route: string;
  /** The one path that it strikes; null if the fault names only an operation. */
  path: string | null;
  userId: string | null;
  organizationId: string | null;
  contact: string | null;
  /** The number of requests that it will still strike; null: all, until it is taken back. */
  remaining: number | null;
  /** Whether the request takes effect before the fault strikes. */
  effectFirst: boolean;
  delayMs: number;
  answer: FaultAnswer | null;
  cut: 'before' | 'after' | 'mid-response' | null;
  activity: ActivityScript | null;
}

/** The scripted faults. Only the oldest fault that matches a request strikes it. */
export class Faults {
  #faults: Fault[] = [];
  /** Includes spent faults, because the journal names them. */
  readonly #known = new BoundedLog<Fault>();
  #lastId = 0;

  /** Adds a fault after the pending ones. */
  add(spec: ParsedFaultSpec): Fault {
    this.#lastId += 1;
    const answer = answerOf(spec);
    const fault: Fault = {
      id: this.#lastId,
      ...spec.route,
      userId: spec.match?.userId ?? null,
      organizationId: spec.match?.organizationId ?? null,
      contact: spec.match?.contact?.toLowerCase() ?? null,
      remaining: spec.times === 0 ? null : spec.times,
      // To cut a true answer in its middle, the request must run first.
      effectFirst:
        spec.afterEffect ?? (spec.cut === 'after' || (spec.cut === 'mid-response' && answer === null)),
      delayMs: spec.delayMs ?? 0,
      answer,
      cut: spec.cut ?? null,
      activity: scriptOf(spec),
    };
    this.#faults.push(fault);
    this.#known.add(fault);
    return fault;
  }

  /** Uses up one strike of the fault that strikes this request, and returns it; null if none does. */
  take(target: Target): Fault | null {
    const fault = this.#faults.find((one) => fits(one, target));
    if (!fault) return null;
    if (fault.remaining !== null) {
      fault.remaining -= 1;
      if (fault.remaining === 0) this.remove(fault.id);
    }
    return fault;
  }

  list(): readonly Fault[] {
    return this.#faults;
  }

  /** A fault by its id, also if it is spent or taken back; null if it is unknown or was dropped long ago. */
  find(id: number | null): Fault | null {
    return this.#known.find((fault) => fault.id === id) ?? null;
  }

  /** Takes one fault back, or all of them. */
  remove(id?: number): void {
    this.#faults = id === undefined ? [] : this.#faults.filter((fault) => fault.id !== id);
  }
}

function fits(fault: Fault, { route, path, userId, organizationId, contact }: Target): boolean {
  return (
    (fault.route === '*' || fault.route === route) &&
    (fault.path === null || fault.path === path) &&
    (fault.userId === null || fault.userId === userId) &&
    (fault.organizationId === null || fault.organizationId === organizationId) &&
    (fault.contact === null || fault.contact === contact?.toLowerCase())
  );
}

function scriptOf({ activity, afterEffect }: ParsedFaultSpec): ActivityScript | null {
  if (!activity) return null;
  const { status = null, polls = null, nested = false, failure = null } = activity;
  const endsWell = status === null || status === 'CREATED' || status === 'PENDING';
  return { status, polls, effect: afterEffect ?? endsWell, nested, failure };
}

function answerOf(spec: ParsedFaultSpec): FaultAnswer | null {
  if (spec.status === undefined && spec.body === undefined) return null;
  const status = spec.status ?? 200;
  const { body, contentType } = render(spec.body);
  return {
    status,
    body,
    contentType: spec.contentType ?? contentType,
    retryAfterS: spec.retryAfterS ?? null,
  };
}

function render(body: ParsedFaultSpec['body']): { body: string | null; contentType: string } {
  if (typeof body === 'string') return { body, contentType: 'text/plain; charset=utf-8' };
  return {
    body: body === undefined ? null : JSON.stringify(body),
    contentType: 'application/json; charset=utf-8',
  };
}
