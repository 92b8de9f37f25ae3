import type { ParsedFaultSpec } from './fault.dto.js';

/** The answer a fault gives in place of the true one. */
export interface FaultAnswer {
  status: number;
  body: string;
  contentType: string;
  retryAfterS: number | null;
}

/** A fault made ready to strike. */
export interface Fault {
  id: number;
  route: string;
  userId: string | null;
  /** How many requests it has yet to strike; null: every one until it is taken back. */
  remaining: number | null;
  /** Whether the request takes effect before the fault strikes. */
  effectFirst: boolean;
  delayMs: number;
  answer: FaultAnswer | null;
  cut: 'before' | 'after' | 'mid-response' | null;
}

/** The scripted faults: a request is struck by the oldest one that fits it, and by no other. */
export class Faults {
  #faults: Fault[] = [];
  #lastId = 0;

  /** Puts a fault behind those that wait already. */
  add(spec: ParsedFaultSpec): Fault {
    this.#lastId += 1;
    const answer = answerOf(spec);
    const fault: Fault = {
      id: this.#lastId,
      route: spec.route,
      userId: spec.match?.userId ?? null,
      remaining: spec.times === 0 ? null : spec.times,
      // A true answer cut in its middle can only come from a request that was carried out.
      effectFirst:
        spec.afterEffect ?? (spec.cut === 'after' || (spec.cut === 'mid-response' && answer === null)),
      delayMs: spec.delayMs ?? 0,
      answer,
      cut: spec.cut ?? null,
    };
    this.#faults.push(fault);
    return fault;
  }

  /** The fault that strikes this request, one strike of it used up; null if none does. */
  take(route: string, userId: string | null): Fault | null {
    const fault = this.#faults.find(
      (one) => (one.route === '*' || one.route === route) && (one.userId === null || one.userId === userId),
    );
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

  /** Takes one fault back, or all of them. */
  remove(id?: number): void {
    this.#faults = id === undefined ? [] : this.#faults.filter((fault) => fault.id !== id);
  }
}

function answerOf(spec: ParsedFaultSpec): FaultAnswer | null {
  if (spec.status === undefined && spec.body === undefined) return null;
  const status = spec.status ?? 200;
  const { body, contentType } = render(spec.body, status);
  return {
    status,
    body,
    contentType: spec.contentType ?? contentType,
    retryAfterS: spec.retryAfterS ?? null,
  };
}

function render(body: ParsedFaultSpec['body'], status: number): { body: string; contentType: string } {
  if (typeof body === 'string') return { body, contentType: 'text/plain; charset=utf-8' };
  const value = body === undefined ? { error: 'scripted fault', status } : body;
  return { body: JSON.stringify(value), contentType: 'application/json; charset=utf-8' };
}
