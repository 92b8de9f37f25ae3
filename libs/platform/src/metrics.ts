import { Controller, Get, Injectable, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** Metrics of the process, for Prometheus. Labels come from fixed sets: no ids, addresses or texts. */
@Injectable()
export class Metrics {
  readonly registry = new Registry();

  readonly attempts = new Histogram({
    name: 'gangway_attempt_duration_seconds',
    help: 'Upstream calls by integration, step and end (ok, or a failure class)',
    labelNames: ['integration', 'step', 'end'] as const,
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [this.registry],
  });

  readonly signals = new Counter({
    name: 'gangway_signals_total',
    help: 'State changes by the signal that a step ended with',
    labelNames: ['integration', 'signal'] as const,
    registers: [this.registry],
  });

  readonly retriesPutOff = new Counter({
    name: 'gangway_retries_put_off_total',
    help: 'Retries that the retry budget made wait',
    labelNames: ['integration'] as const,
    registers: [this.registry],
  });

  constructor() {
    collectDefaultMetrics({ register: this.registry, prefix: 'gangway_process_' });
  }

  /** A value that each scrape reads again. A scrape shows only labels that exist at that time. */
  gauge(
    name: string,
    help: string,
    label: string,
    read: () => Record<string, number> | Promise<Record<string, number>>,
  ): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      labelNames: [label],
      registers: [this.registry],
      collect: async () => {
        const found = await read();
        // A label that no longer exists must not keep its last value.
        gauge.reset();
        for (const [value, number] of Object.entries(found)) gauge.set({ [label]: value }, number);
      },
    });
  }
}

@Controller('metrics')
export class MetricsController {
  constructor(private readonly metrics: Metrics) {}

  @Get()
  async read(@Res() reply: FastifyReply): Promise<void> {
    void reply.type(this.metrics.registry.contentType).send(await this.metrics.registry.metrics());
  }
}
