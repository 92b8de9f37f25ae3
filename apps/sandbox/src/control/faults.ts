import { BoundedLog } from './bounded-log.js';
import type { ParsedActivityScript, ParsedFaultSpec } from './fault.dto.js';

/** The answer a fault gives in place of the true one. */
export interface FaultAnswer {
  status: number;
  /** Null: the upstream's own form of an error. */
  body: string | null;
  contentType: string;
  retryAfterS: number | null;
}

/** What is to become of a Turnkey activity. */
export interface ActivityScript {
  /** How it ends, or CREATED or PENDING, which end well; null: as it does by itself. */
  status: NonNullable<ParsedActivityScript['status']> | null;
  /** How many `get_activity` see it pending first; null: none, or for CREATED and PENDING all. */
  polls: number | null;
  /** Whether it is carried out. */
  effect: boolean;
  /** Whether the result stands inside another activity: `activity.result.activity.result`. */
  nested: boolean;
  /** What a FAILED one says; null: some error. */
  failure: NonNullable<ParsedActivityScript['failure']> | null;
}

/** What a fault looks at to tell whether it strikes a request. */
export interface Target {
  route: string;
  path: string;
  userId: string | null;
  organizationId?: string | null;
  contact?: string | null;
}

/** A fault made ready to strike. */
export interface Fault {
  id: number;
  route: string;
  /** The one path it strikes, where it was given a whole one. */
  path: string | null;
  userId: string | null;
  organizationId: string | null;
  contact: string | null;
  /** How many requests it has yet to strike; null: every one until it is taken back. */
  remaining: number | null;
  /** Whether the request takes effect before the fault strikes. */
  effectFirst: boolean;
  delayMs: number;
  answer: FaultAnswer | null;
  cut: 'before' | 'after' | 'mid-response' | null;
  activity: ActivityScript | null;
}

/** The scripted faults: a request is struck by the oldest one that fits it, and by no other. */
export class Faults {
  #faults: Fault[] = [];
  /** The spent ones, too: a journal names them. */
  readonly #known = new BoundedLog<Fault>();
  #lastId = 0;

  /** Puts a fault behind those that wait already. */
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
      // A true answer cut in its middle can only come from a request that was carried out.
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

  /** The fault that strikes this request, one strike of it used up; null if none does. */
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

  /** A fault by its id, spent or taken back as it may be; null if there never was one or long ago. */
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
