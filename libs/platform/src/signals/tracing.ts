import type { OnApplicationShutdown } from '@nestjs/common';
import type { ConsoleConfig } from '../config.js';
import { openSpan } from './current-work.js';
import { Log, errorOf } from './log.js';
import type { SpanAttributes } from './span-attributes.js';
import type { Tracer } from './tracer.js';

export type SpanKind = 'internal' | 'server' | 'client' | 'consumer';

/** A recorded span. There are none if tracing is off, or if the trace is not sampled. */
export interface Span {
  /** `traceId` has 32 hex digits, `spanId` 16. */
  readonly traceId: string;
  readonly spanId: string;
  /** W3C Trace Context, version 00. */
  readonly traceparent: string;
  /** The first span of this trace in this process: a request's or a job's. */
  readonly root: Span;
  child(name: string, kind: SpanKind): Span;
  set(attributes: SpanAttributes): void;
  /**
   * Only the first call counts.
   *
   * @param type a code or a class, never a text of another system.
   * @param isFault whether the span is shown as failed. To refuse a wrong request is not a fault.
   */
  fail(type: string, isFault?: boolean): void;
  end(): void;
}

const logger = new Log('Tracing');
/** How many apps in this process trace. Tests run several apps in one process. */
let tracing = 0;

export const currentSpan = (): Span | undefined => (tracing === 0 ? undefined : openSpan.getStore());

/**
 * Runs work, in a child of the open span if there is one.
 *
 * @param about sets attributes from the result of the work.
 */
export function traced<T>(
  name: string,
  work: (span?: Span) => Promise<T>,
  about?: (span: Span, result: T) => void,
  kind: SpanKind = 'internal',
): Promise<T> {
  // While tracing is off, each call takes this path, so it creates no wrapper and no promise.
  if (tracing === 0) return work();
  const parent = openSpan.getStore();
  return parent ? recorded(parent.child(name, kind), work, about) : work();
}

/** The span stays open. */
export const inSpan = <T>(span: Span, work: () => T): T => openSpan.run(span, work);

export function spanFields(): object | undefined {
  const span = currentSpan();
  return span && { trace_id: span.traceId, span_id: span.spanId, trace_flags: '01' };
}

async function recorded<T>(
  span: Span,
  work: (span: Span) => Promise<T>,
  about?: (span: Span, result: T) => void,
): Promise<T> {
  try {
    const result = await openSpan.run(span, work, span);
    if (about) safely(() => about(span, result));
    return result;
  } catch (error) {
    const { status } = error as { status?: unknown };
    span.fail(typeOf(error), !(typeof status === 'number' && status < 500));
    throw error;
  } finally {
    span.end();
  }
}

/** A fault here must not fail the work, which has already had its effect. */
function safely(describe: () => void): void {
  try {
    describe();
  } catch (error) {
    logger.warn({ err: errorOf(error) }, 'a span lacks attributes');
  }
}

/** The text of an error may come from another system, so only its class, code or name is used. */
function typeOf(error: unknown): string {
  const { failure, code, name } = (error ?? {}) as Record<string, unknown>;
  const type = [failure, code, name].find((each) => typeof each === 'string' && /^\w{1,64}$/.test(each));
  return typeof type === 'string' ? type : 'error';
}

/** Makes the first spans of this process, for requests and jobs (docs/decisions/0036). */
export class Tracing implements OnApplicationShutdown {
  #tracer: Tracer | null;

  private constructor(tracer: Tracer | null) {
    this.#tracer = tracer;
    if (tracer) tracing += 1;
  }

  /** @param process such as `worker-1f09ac3e`. */
  static async open(config: ConsoleConfig, process: string): Promise<Tracing> {
    if (config.OTEL_EXPORTER_OTLP_ENDPOINT === undefined) return new Tracing(null);
    const { Tracer } = await import('./tracer.js');
    return new Tracing(new Tracer(config, process));
  }

  get isOn(): boolean {
    return this.#tracer !== null;
  }

  /** @returns nothing if the trace is not sampled. */
  request(name: string, traceparent: unknown): Span | undefined {
    return this.#tracer?.request(name, traceparent);
  }

  /**
   * Runs work that another request or job has caused, in a trace of its own with a link to the cause.
   *
   * @param cause the `traceparent` of a sampled span. Without it, the work is not traced.
   */
  caused<T>(name: string, cause: string | null, work: (span?: Span) => Promise<T>): Promise<T> {
    const span = cause === null ? undefined : this.#tracer?.caused(name, cause);
    return span ? recorded(span, work) : work();
  }

  async onApplicationShutdown(): Promise<void> {
    const tracer = this.#tracer;
    if (!tracer) return;
    this.#tracer = null;
    tracing -= 1;
    await tracer.close();
  }
}
