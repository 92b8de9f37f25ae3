import { Controller, Get, Injectable, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';
import { Log } from './log.js';
import {
  METRICS,
  type CounterName,
  type GaugeName,
  type HistogramName,
  type LabelOf,
  type MetricDefinition,
  type MetricName,
} from './metric-list.js';

export interface Sample<L extends string> {
  labels: Readonly<Record<L, string>>;
  value: number;
}

/** With labels: a sample for each set of labels. Without labels: a number, or null if there is no value. */
export type Reading<N extends GaugeName> = [LabelOf<N>] extends [never]
  ? number | null
  : readonly Sample<LabelOf<N>>[];

type Found = number | null | readonly Sample<string>[];
type Reader = () => Found | Promise<Found>;

@Injectable()
export class Metrics {
  readonly registry = new Registry();
  readonly #logger = new Log('Metrics');
  readonly #readers = new Map<GaugeName, Reader[]>();

  constructor() {
    collectDefaultMetrics({ register: this.registry });
  }

  counter<N extends CounterName>(name: N): Counter<LabelOf<N>> {
    const { labels, values } = METRICS[name] as MetricDefinition;
    return this.#once(name, () => {
      const counter = new Counter(this.#terms(name));
      // Prometheus sees an increase only if the series already has a value, so each series begins at 0.
      for (const value of values ?? []) counter.inc({ [labels![0]!]: value }, 0);
      return counter;
    });
  }

  histogram<N extends HistogramName>(name: N): Histogram<LabelOf<N>> {
    const { buckets } = METRICS[name];
    return this.#once(name, () => new Histogram({ ...this.#terms(name), buckets: [...buckets] }));
  }

  /**
   * Reads the gauge at each scrape, which shows only the labels of this read. Several libs may register a
   * function for one gauge.
   */
  gauge<N extends GaugeName>(name: N, read: () => Reading<N> | Promise<Reading<N>>): void {
    const known = this.#readers.get(name);
    if (known) {
      known.push(read);
      return;
    }
    const readers: Reader[] = [read];
    this.#readers.set(name, readers);
    const gauge: Gauge = new Gauge({
      ...this.#terms(name),
      collect: async () => {
        const found = await Promise.all(readers.map((each) => this.#read(name, each)));
        // A label that no longer exists must not keep its last value.
        gauge.reset();
        if (!('labels' in METRICS[name])) gauge.remove();
        for (const { labels, value } of found.flat()) gauge.set(labels, value);
      },
    });
  }

  async #read(name: GaugeName, read: Reader): Promise<readonly Sample<string>[]> {
    try {
      const found = await read();
      if (typeof found === 'number') return [{ labels: {}, value: found }];
      return found ?? [];
    } catch (error) {
      this.#logger.warn({ metric: name }, `metric ${name} cannot be read: ${(error as Error).message}`);
      return [];
    }
  }

  #once<T>(name: MetricName, create: () => unknown): T {
    return (this.registry.getSingleMetric(name) ?? create()) as T;
  }

  #terms(name: MetricName) {
    const { help, labels = [] } = METRICS[name] as MetricDefinition;
    return { name, help, labelNames: [...labels], registers: [this.registry] };
  }
}

export function samplesBy<L extends string>(label: L, values: Readonly<Record<string, number>>): Sample<L>[] {
  return Object.entries(values).map(([name, value]) => ({
    labels: { [label]: name } as Record<L, string>,
    value,
  }));
}

@Controller('metrics')
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  @Get()
  async read(@Res() reply: FastifyReply): Promise<void> {
    void reply.type(this.metrics.registry.contentType).send(await this.metrics.registry.metrics());
  }
}
