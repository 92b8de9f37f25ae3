import { BoundedLog } from './bounded-log.js';
import type { ParsedActivityScript, ParsedFaultSpec } from './fault.dto.js';

export interface FaultAnswer {
  status: number;
  /** Null means an error in the form of the upstream. */
  body: string | null;
  contentType: string;
  retryAfterS: number | null;
}

export interface ActivityScript {
  /** How the activity ends. CREATED or PENDING: it completes later. Null: it completes as usual. */
  status: NonNullable<ParsedActivityScript['status']> | null;
  /**
   * How many `get_activity` calls show the activity as pending. Null means all for the status CREATED or
   * PENDING, otherwise none.
   */
  polls: number | null;
  effect: boolean;
  nested: boolean;
  /** Null means a default error. */
  failure: NonNullable<ParsedActivityScript['failure']> | null;
}

/** The facts of a request that decide whether a fault applies. */
export interface Target {
  route: string;
  path: string;
  userId: string | null;
  organizationId?: string | null;
  contact?: string | null;
}

export interface Fault {
  id: number;
  route: string;
  /** Null means any path of `route`. */
  path: string | null;
  userId: string | null;
  organizationId: string | null;
  contact: string | null;
  /** To how many more requests the fault applies. Null: to all, until it is deleted. */
  remaining: number | null;
  effectFirst: boolean;
  delayMs: number;
  answer: FaultAnswer | null;
  cut: 'before' | 'after' | 'mid-response' | null;
  activity: ActivityScript | null;
}

/** If several faults match a request, only the oldest one applies. */
export class Faults {
  #faults: Fault[] = [];
  /** Also used-up faults, because the journal names them. */
  readonly #known = new BoundedLog<Fault>();
  #lastId = 0;

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
      // The request must run first if the fault cuts the true answer in the middle.
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

  /** Counts a use of the fault that applies to the request. @returns null if no fault applies */
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

  /** Also finds used-up and deleted faults. @returns null if the fault is unknown or too old */
  find(id: number | null): Fault | null {
    return this.#known.find((fault) => fault.id === id) ?? null;
  }

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
