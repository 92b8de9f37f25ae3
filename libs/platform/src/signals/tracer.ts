import {
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
  type Context,
  type Span as ApiSpan,
  type SpanContext,
  type SpanOptions,
  type Tracer as ApiTracer,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BatchSpanProcessor,
  ParentBasedSampler,
  SamplingDecision,
  TraceIdRatioBasedSampler,
  TracerProvider,
  type Sampler,
  type SpanExporter,
} from '@opentelemetry/sdk-trace';
import type { ConsoleConfig } from '../config.js';
import { TRACEPARENT } from '../trace-context.js';
import { VERSION } from '../version.js';
import { outsideRequests } from './current-work.js';
import { Log } from './log.js';
import type { SpanAttributes } from './span-attributes.js';
import { pairsOf } from './tracing-settings.js';
import type { Span, SpanKind as Kind } from './tracing.js';

/** New spans wait while an export and its retries run. If too many wait, the SDK drops the rest. */
const EXPORT_TIMEOUT_MS = 10_000;
const LAST_EXPORT_MS = 3_000;

const KINDS: Record<Kind, SpanKind> = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
  consumer: SpanKind.CONSUMER,
};

/** No other file imports OpenTelemetry's SDK, and this file is loaded only if tracing is on. */
export class Tracer {
  readonly #exporter: OutageLoggingExporter;
  readonly #provider: TracerProvider;
  readonly #tracer: ApiTracer;

  constructor(config: ConsoleConfig, process: string) {
    const [role] = process.split('-', 1);
    const { OTEL_EXPORTER_OTLP_HEADERS: headers, OTEL_RESOURCE_ATTRIBUTES: more } = config;
    const exporter = new OTLPTraceExporter({
      url: `${config.OTEL_EXPORTER_OTLP_ENDPOINT!.replace(/\/+$/, '')}/v1/traces`,
      headers: pairsOf(headers?.reveal() ?? '')!,
      timeoutMillis: EXPORT_TIMEOUT_MS,
    });
    this.#exporter = new OutageLoggingExporter(exporter);
    this.#provider = new TracerProvider({
      sampler: samplerOf(config),
      resource: resourceFromAttributes({
        'service.name': `gangway-${role}`,
        'service.version': VERSION,
        'service.instance.id': process,
        ...pairsOf(more ?? ''),
        ...(config.OTEL_SERVICE_NAME !== undefined && { 'service.name': config.OTEL_SERVICE_NAME }),
      }),
      spanProcessors: [
        new BatchSpanProcessor({ exporter: this.#exporter, exportTimeoutMillis: EXPORT_TIMEOUT_MS }),
      ],
    });
    this.#tracer = this.#provider.getTracer('gangway');
  }

  request(name: string, traceparent: unknown): Span | undefined {
    const parent = contextOf(traceparent);
    const context = parent ? trace.setSpanContext(ROOT_CONTEXT, parent) : ROOT_CONTEXT;
    return this.#root(name, { kind: SpanKind.SERVER }, context);
  }

  caused(name: string, cause: string): Span | undefined {
    const context = contextOf(cause);
    const links = context ? [{ context }] : [];
    return this.#root(name, { kind: SpanKind.CONSUMER, links }, ROOT_CONTEXT);
  }

  async close(): Promise<void> {
    let late: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      late = setTimeout(() => {
        this.#exporter.failed('no answer in time');
        resolve();
      }, LAST_EXPORT_MS);
    });
    await Promise.race([this.#provider.shutdown().catch(() => undefined), limit]);
    clearTimeout(late);
  }

  #root(name: string, options: SpanOptions, context: Context): Span | undefined {
    const now = clockFrom(Date.now());
    const span = this.#tracer.startSpan(name, { ...options, startTime: now() }, context);
    return span.isRecording() ? new RecordedSpan(this.#tracer, span, now) : undefined;
  }
}

/** The SDK's own start times are whole milliseconds, with which short spans would seem to overlap. */
function clockFrom(epochMs: number): () => number {
  const startedAtMs = performance.now();
  return () => epochMs + performance.now() - startedAtMs;
}

class RecordedSpan implements Span {
  readonly root: Span;
  #hasFailed = false;

  constructor(
    private readonly tracer: ApiTracer,
    private readonly span: ApiSpan,
    /** Milliseconds since the epoch, with fractions. */
    private readonly now: () => number,
    root?: Span,
  ) {
    this.root = root ?? this;
  }

  get traceId(): string {
    return this.span.spanContext().traceId;
  }

  get spanId(): string {
    return this.span.spanContext().spanId;
  }

  get traceparent(): string {
    return `00-${this.traceId}-${this.spanId}-01`;
  }

  child(name: string, kind: Kind): Span {
    const context = trace.setSpan(ROOT_CONTEXT, this.span);
    const span = this.tracer.startSpan(name, { kind: KINDS[kind], startTime: this.now() }, context);
    return new RecordedSpan(this.tracer, span, this.now, this.root);
  }

  set(attributes: SpanAttributes): void {
    this.span.setAttributes(attributes);
  }

  fail(type: string, isFault = true): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.span.setAttribute('error.type', type);
    if (isFault) this.span.setStatus({ code: SpanStatusCode.ERROR });
  }

  end(): void {
    // Here the SDK may set its export timer, which serves the spans of all requests.
    outsideRequests(() => this.span.end(this.now()));
  }
}

/** A `traceparent` (W3C Trace Context §3.2). @returns undefined if it is not valid. */
function contextOf(traceparent: unknown): SpanContext | undefined {
  if (typeof traceparent !== 'string' || !TRACEPARENT.test(traceparent)) return undefined;
  const [, traceId = '', spanId = '', flags = ''] = traceparent.split('-');
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED, isRemote: true };
}

function samplerOf({
  OTEL_TRACES_SAMPLER: name,
  OTEL_TRACES_SAMPLER_ARG: ratio = 1,
}: ConsoleConfig): Sampler {
  const [, root = name] = /^parentbased_(.*)$/.exec(name) ?? [];
  const alone = {
    always_on: () => new AlwaysOnSampler(),
    always_off: () => new AlwaysOffSampler(),
    traceidratio: () => new TraceIdRatioBasedSampler(ratio),
  }[root]!();
  return root === name ? alone : byCause(new ParentBasedSampler({ root: alone }));
}

/** Samples all work with a link, because a link names the sampled request or job that caused the work. */
const byCause = (sampler: Sampler): Sampler => ({
  shouldSample(context, traceId, name, kind, attributes, links) {
    if (links.length > 0) return { decision: SamplingDecision.RECORD_AND_SAMPLED };
    return sampler.shouldSample(context, traceId, name, kind, attributes, links);
  },
});

/** Logs only the begin and the end of an outage. */
class OutageLoggingExporter implements SpanExporter {
  readonly #logger = new Log('Tracing');
  #isFailing = false;

  constructor(private readonly exporter: SpanExporter) {}

  export(...[spans, done]: Parameters<SpanExporter['export']>): void {
    this.exporter.export(spans, (result) => {
      if (result.error) this.failed(reasonOf(result.error));
      else if (this.#isFailing) this.#works();
      done(result);
    });
  }

  failed(reason: string): void {
    if (!this.#isFailing) this.#logger.warn({}, `spans are not exported, and are lost: ${reason}`);
    this.#isFailing = true;
  }

  #works(): void {
    this.#logger.info({}, 'spans are exported again');
    this.#isFailing = false;
  }

  async forceFlush(): Promise<void> {
    await this.exporter.forceFlush?.();
  }

  shutdown(): Promise<void> {
    return this.exporter.shutdown();
  }
}

/** Does not show the text of the receiver's answer. */
function reasonOf(error: Error): string {
  const { code } = error as { code?: unknown };
  if (typeof code === 'number') return `the receiver answers ${code}`;
  return typeof code === 'string' ? code : error.name;
}
