import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Logger } from '@nestjs/common';
import { LIMITS } from '#libs/kernel';
import { METRICS, PROCESS_METRICS, type MetricDefinition } from './metric-list.js';
import { Metrics, samplesBy } from './metrics.js';

let metrics: Metrics;
beforeEach(() => {
  metrics = new Metrics();
});
afterEach(() => {
  jest.restoreAllMocks();
});

/** The lines of a metric that contain values. */
const linesOf = async (name: string) =>
  (await metrics.registry.getSingleMetricAsString(name))
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));

describe('a gauge', () => {
  it('is read at each scrape, and loses labels that no longer exist', async () => {
    let keys: Record<string, number> = { one: 1, two: 2 };
    metrics.gauge('gangway_sealing_key_uses', () => samplesBy('key', keys));
    expect(await linesOf('gangway_sealing_key_uses')).toHaveLength(2);
    keys = { two: 3 };
    expect(await linesOf('gangway_sealing_key_uses')).toEqual(['gangway_sealing_key_uses{key="two"} 3']);
  });

  it('that has no labels is absent while it has no value', async () => {
    let lag: number | null = null;
    metrics.gauge('gangway_retry_lag_seconds', () => lag);
    expect(await linesOf('gangway_retry_lag_seconds')).toEqual([]);
    lag = 0;
    expect(await linesOf('gangway_retry_lag_seconds')).toEqual(['gangway_retry_lag_seconds 0']);
    lag = null;
    expect(await linesOf('gangway_retry_lag_seconds')).toEqual([]);
  });

  it('shows the samples of several libs', async () => {
    const name = 'gangway_credential_expiry_timestamp_seconds';
    metrics.gauge(name, () => [{ labels: { kind: 'api_key', name: '' }, value: 1 }]);
    metrics.gauge(name, () => [{ labels: { kind: 'upstream_certificate', name: 'byzantine' }, value: 2 }]);
    expect(await linesOf(name)).toEqual([
      `${name}{kind="api_key",name=""} 1`,
      `${name}{kind="upstream_certificate",name="byzantine"} 2`,
    ]);
  });

  it('that cannot be read is absent, and all other metrics stay', async () => {
    const warned = jest.spyOn(Logger.prototype, 'warn').mockReturnValue();
    metrics.gauge('gangway_expiry_lag_seconds', () => Promise.reject(new Error('away')));
    metrics.gauge('gangway_retry_lag_seconds', () => 1);
    const text = await metrics.registry.metrics();
    expect(text).not.toMatch(/^gangway_expiry_lag_seconds /m);
    expect(text).toMatch(/^gangway_retry_lag_seconds 1$/m);
    expect(warned).toHaveBeenCalledWith(
      { metric: 'gangway_expiry_lag_seconds' },
      'metric gangway_expiry_lag_seconds cannot be read: away',
    );
  });
});

describe('a counter', () => {
  it('begins at 0 for each known value of its label, so that the first increase is seen', async () => {
    metrics.counter('gangway_limits_hit_total');
    expect(await linesOf('gangway_limits_hit_total')).toEqual(
      LIMITS.map((limit) => `gangway_limits_hit_total{limit="${limit}"} 0`),
    );
  });

  it('is created once for each name', async () => {
    metrics.counter('gangway_signals_total').inc({ integration: 'a', signal: 'otp_sent' });
    metrics.counter('gangway_signals_total').inc({ integration: 'a', signal: 'otp_sent' });
    expect(await linesOf('gangway_signals_total')).toEqual([
      'gangway_signals_total{integration="a",signal="otp_sent"} 2',
    ]);
  });
});

describe('the list of metrics', () => {
  const names = Object.keys({ ...METRICS, ...PROCESS_METRICS });

  it.each(Object.entries<MetricDefinition>(METRICS))('names %s as Prometheus advises', (name, metric) => {
    expect(name).toMatch(/^(gangway|http_server|db_client)_[a-z_]+$/);
    expect(name.endsWith('_total')).toBe(metric.kind === 'counter');
    expect(metric.help).toMatch(/^[A-Z][^\n]*[^.]$/);
    for (const label of metric.labels ?? []) expect(label).toMatch(/^[a-z_]+$/);
    if (metric.values) expect(metric.labels).toHaveLength(1);
    expect(metric.kind === 'histogram').toBe(metric.buckets !== undefined);
  });

  it('contains each metric of the process', () => {
    const own = metrics.registry.getMetricsAsArray().map(({ name }) => name);
    for (const name of own) expect(names).toContain(name);
  });
});
