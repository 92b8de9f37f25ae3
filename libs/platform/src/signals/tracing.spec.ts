import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { testConfig, until } from '#libs/testing';
import { OtlpReceiver } from '../../../../test/support/otlp-receiver.js';
import { currentRequest, outsideRequests } from './current-work.js';
import { Tracing, currentSpan, spanFields, traced, type Span } from './tracing.js';

/** The SDK exports immediately when this many spans wait. */
const BATCH = 512;
/** The SDK keeps at most this many spans, in addition to the batch that it exports. */
const QUEUE = 2_048;
const CHECKOUT = join(import.meta.dirname, '../../../..');
const PARENT = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7';

let receiver: OtlpReceiver;
let tracing: Tracing;
afterEach(async () => {
  await tracing.onApplicationShutdown();
  await receiver.close();
  jest.restoreAllMocks();
});

async function open(env: Record<string, string> = {}): Promise<void> {
  receiver = await OtlpReceiver.listen();
  tracing = await Tracing.open(
    testConfig({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url, ...env }),
    'service-1',
  );
}

const end = async () => {
  await tracing.onApplicationShutdown();
  return receiver.spans;
};

function makeSpans(count: number): void {
  for (let n = 0; n < count; n++) tracing.request('GET', `${PARENT}-01`)!.end();
}

describe('tracing', () => {
  const traced = (traceparent?: string) => tracing.request('GET', traceparent) !== undefined;
  const share = (traceparent?: string) =>
    Array.from({ length: 400 }, () => traced(traceparent)).filter(Boolean).length / 400;

  it('follows the caller’s decision on tracing, and traces requests without a decision', async () => {
    await open();
    expect([traced(`${PARENT}-01`), traced(`${PARENT}-00`), traced()]).toEqual([true, false, true]);
    expect(traced('00-0-0-00')).toBe(true);
  });

  it('can trace a share of the requests whose caller sends no decision on tracing', async () => {
    await open({ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.3' });
    expect(share()).toBeGreaterThan(0.15);
    expect(share()).toBeLessThan(0.45);
    expect([share(`${PARENT}-01`), share(`${PARENT}-00`)]).toEqual([1, 0]);
  });

  it('ignores the caller’s decision on tracing if OTEL_TRACES_SAMPLER is always_off', async () => {
    await open({ OTEL_TRACES_SAMPLER: 'always_off' });
    expect([traced(`${PARENT}-01`), traced()]).toEqual([false, false]);
    expect(await tracing.caused('job', `${PARENT}-01`, async (span) => span)).toBeUndefined();
  });

  it('includes later work if the request that caused the work was traced', async () => {
    await open({ OTEL_TRACES_SAMPLER: 'parentbased_always_off' });
    await tracing.caused('job', `${PARENT}-01`, async () => undefined);
    await tracing.caused('job without a cause', null, async () => undefined);
    const [, traceId, spanId] = PARENT.split('-');
    expect(await end()).toEqual([expect.objectContaining({ name: 'job', links: [{ traceId, spanId }] })]);
  });
});

describe('a span', () => {
  it('is the child of the span in which it was opened, also if spans run at the same time', async () => {
    await open();
    await tracing.caused('job', `${PARENT}-01`, async () => {
      await Promise.all(['one', 'other'].map((name) => traced(name, () => traced(`${name}’s`, below))));
    });
    const spans = await end();
    const parentOf = (name: string) => {
      const { parentSpanId } = spans.find((span) => span.name === name)!;
      return spans.find(({ spanId }) => spanId === parentSpanId)?.name;
    };
    expect(['one', 'other', 'one’s', 'other’s'].map(parentOf)).toEqual(['job', 'job', 'one', 'other']);
  });

  it('has exact times: spans in sequence do not overlap, and stay within their parent', async () => {
    await open();
    const spinMs = 0.2;
    await tracing.caused('job', `${PARENT}-01`, async () => {
      for (let n = 0; n < 50; n++) {
        await traced(`${n}`, async () => {
          for (const from = performance.now(); performance.now() - from < spinMs;);
        });
      }
    });
    const [job, ...spans] = (await end()).toSorted((one, other) => one.startMs - other.startMs);
    expect(spans.map(({ name }) => name)).toEqual(Array.from({ length: 50 }, (_, n) => `${n}`));
    spans.forEach(({ startMs, endMs }, n) => {
      expect(endMs - startMs).toBeGreaterThanOrEqual(spinMs - 0.01);
      expect(startMs).toBeGreaterThanOrEqual(spans[n - 1]?.endMs ?? job!.startMs);
    });
    expect(job!.endMs).toBeGreaterThanOrEqual(spans.at(-1)!.endMs);
  });

  const below = async (span?: Span) => expect(currentSpan()).toBe(span);

  it('names the class, code or name of an error, but not its text', async () => {
    await open();
    const errors = [
      Object.assign(new Error('a secret'), { failure: 'no_answer', code: 'X' }),
      Object.assign(new Error('a secret'), { code: 'illegal_state', status: 409 }),
      Object.assign(new Error('a secret'), { code: 'a secret' }),
      'a secret',
    ];
    for (const error of errors) {
      const failing = tracing.caused('job', `${PARENT}-01`, () => Promise.reject(error));
      await expect(failing).rejects.toBe(error);
    }
    const seen = (await end()).map(({ attributes, isError }) => [attributes['error.type'], isError]);
    expect(seen).toEqual([
      ['no_answer', true],
      ['illegal_state', false],
      ['Error', true],
      ['error', true],
    ]);
    expect(receiver.texts.join()).not.toContain('a secret');
  });

  it('does not make its work fail if the function that sets its attributes fails', async () => {
    await open();
    const warn = jest.spyOn(Logger.prototype, 'warn').mockReturnValue(undefined);
    const describe = () => {
      throw new TypeError('no such member');
    };
    const work = () => traced('work', async () => 'settled', describe);
    expect(await tracing.caused('job', `${PARENT}-01`, work)).toBe('settled');
    expect(warn).toHaveBeenCalledTimes(1);
  });

  it('gives its ids to its log lines, but not to the lines of work for several requests', async () => {
    await open();
    await tracing.caused('job', `${PARENT}-01`, async (span) => {
      expect(spanFields()).toEqual({ trace_id: span!.traceId, span_id: span!.spanId, trace_flags: '01' });
      expect(outsideRequests(spanFields)).toBeUndefined();
    });
    expect(spanFields()).toBeUndefined();
  });
});

describe('tracing with a failing receiver', () => {
  const lines: string[] = [];
  /** For each log line, the id of the request during which it was written. */
  const requests: (string | undefined)[] = [];
  const listen = () => {
    lines.length = requests.length = 0;
    for (const level of ['warn', 'log'] as const) {
      jest.spyOn(Logger.prototype, level).mockImplementation((...given: unknown[]) => {
        lines.push(String(given[1]));
        requests.push(currentRequest.getStore()?.traceId);
      });
    }
  };

  it('logs the start and the end of an outage, once each, without the receiver’s text', async () => {
    listen();
    await open();
    receiver.status = 400;
    for (let n = 1; n <= 3; n++) {
      makeSpans(BATCH);
      await until('it is refused', async () => receiver.texts.length >= n);
    }
    receiver.status = 200;
    await until('it works', async () => {
      makeSpans(BATCH);
      return receiver.spans.length > 0;
    });
    await until('it is logged', async () => lines.length >= 2);
    await end();
    expect(lines).toEqual([
      'spans are not exported, and are lost: the receiver answers 400',
      'spans are exported again',
    ]);
  });

  it('logs the outage without a request’s id, even if a request ended the last span', async () => {
    listen();
    await open();
    receiver.status = 400;
    const request = { traceId: 'trace-1', method: 'GET', url: '/', address: '192.0.2.1' };
    currentRequest.run(request, () => makeSpans(BATCH));
    await until('it is logged', async () => lines.length > 0);
    expect(requests).toEqual([undefined]);
  });

  it('keeps a fixed number of spans, and drops the rest', async () => {
    await open();
    const { promise, resolve } = Promise.withResolvers<void>();
    receiver.held = promise;
    makeSpans(50_000);
    resolve();
    expect(await end()).toHaveLength(BATCH + QUEUE);
  });

  it('waits only a moment for the last export', async () => {
    listen();
    await open();
    const { promise, resolve } = Promise.withResolvers<void>();
    receiver.held = promise;
    makeSpans(1);
    await end();
    expect(lines).toEqual(['spans are not exported, and are lost: no answer in time']);
    resolve();
    await until('the receiver has them after all', async () => lines.length === 2);
  });
});

describe('tracing that is off', () => {
  it('does not import OpenTelemetry, because only the tracer imports it', () => {
    const files = globSync('{apps,libs}/**/*.{ts,tsx}', { cwd: CHECKOUT });
    const importing = files.filter((file) =>
      /from '@opentelemetry\//.test(readFileSync(join(CHECKOUT, file), 'utf8')),
    );
    expect(importing).toEqual(['libs/platform/src/signals/tracer.ts']);
  });

  it('only calls the traced function, and opens no span', async () => {
    receiver = await OtlpReceiver.listen();
    tracing = await Tracing.open(testConfig(), 'service-1');
    expect(tracing.isOn).toBe(false);
    expect(tracing.request('GET', `${PARENT}-01`)).toBeUndefined();
    const work = Promise.resolve('done');
    expect(traced('work', () => work)).toBe(work);
    expect(tracing.caused('job', `${PARENT}-01`, () => work)).toBe(work);
  });
});
