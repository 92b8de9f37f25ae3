import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { stringify } from 'yaml';
import { until } from '#libs/testing';
import {
  OBSERVABILITY,
  RULES,
  dashboardExpressions,
  readText,
  runbookExpressions,
} from '../observability/observability.js';
import {
  describeWithPrometheus,
  promtool,
  startPrometheus,
  type ActiveAlert,
  type Prometheus,
} from '../support/prometheus.js';
import { Story } from '../support/story.js';

// Waits for breakers, probes and retries with their default times.
jest.setTimeout(300_000);

const FOLDER = join(OBSERVABILITY, 'prometheus');

describeWithPrometheus('promtool', () => {
  it('accepts the rules and the configuration', () => {
    promtool(['check', 'rules', RULES]);
    // The configuration names files where compose mounts them.
    promtool(['check', 'config', '--syntax-only', join(FOLDER, 'prometheus.yml')]);
  });

  it('sees each alert fire on its outage, and none in a healthy hour', async () => {
    const tests = await readdir(join(FOLDER, 'tests'));
    promtool(['test', 'rules', ...tests.map((name) => join(FOLDER, 'tests', name))]);
  });

  it('can parse each expression of dashboards and runbooks', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'gangway-dashboards-'));
    const rules = [...dashboardExpressions(), ...runbookExpressions()].map(({ expr }, index) => ({
      record: `panel:${index}`,
      expr: expr.replaceAll('$__rate_interval', '1m'),
    }));
    const file = join(folder, 'panels.yml');
    await writeFile(file, stringify({ groups: [{ name: 'panels', rules }] }));
    promtool(['check', 'rules', '--lint=none', file]);
    await rm(folder, { recursive: true });
  });
});

/** The settings whose default values a storm needs. */
const AS_BY_DEFAULT = ['RETRY_FLOOR_MS', 'RETRY_BASE_MS', 'BREAKER_CALLS', 'RETRY_BUDGET_BURST'];
const FASTER = 20;

/**
 * The rules as they are, except that all their times pass 20 times as fast: `for`, ranges and offsets. Ages
 * in seconds, which Gangway measures, are unchanged.
 */
function faster(rules: string): string {
  const units: Record<string, number> = { s: 1, m: 60, h: 3_600 };
  const short = (amount: string, unit: string) => `${Math.ceil((Number(amount) * units[unit]!) / FASTER)}s`;
  return rules.replaceAll(
    /(\bfor: |\[|\boffset )(\d+)([smh])\b/g,
    (_, before: string, amount: string, unit: string) => `${before}${short(amount, unit)}`,
  );
}

const nameOf = ({ labels }: ActiveAlert) => `${labels['alertname']} ${labels['severity']}`;

describeWithPrometheus('a real Prometheus', () => {
  let story: Story;
  let prometheus: Prometheus;
  let targets: Record<string, string>;

  beforeAll(async () => {
    story = await Story.begin({ env: { PROBE_EVERY_MS: '2000' }, service: false, worker: false });
    for (const name of AS_BY_DEFAULT) delete story.env[name];
    story.env['RETRY_CAP_MS'] = '5000';
    const [service, worker, console] = await Promise.all([
      story.startProcess('onboarding'),
      story.startProcess('worker'),
      story.startProcess('console'),
    ]);
    targets = {
      'gangway-service': service.url,
      'gangway-worker': worker.url,
      'gangway-console': console.url,
    };
    prometheus = await startPrometheus(targets, faster(readText(RULES)));
  });
  afterAll(async () => {
    await prometheus?.stop();
    await story?.end();
  });

  /** The alerts that fired since {@link watch} began, with their seconds. */
  let seen: Map<string, { firesAfterS: number; text: string; endsAfterS: number | null }>;
  let beganAt: number;
  const sinceS = () => Math.round((performance.now() - beganAt) / 1_000);

  /** Reads the alerts until a condition on those that fire holds. */
  const watch = (what: string, holds: (firing: string[]) => boolean, withinMs: number) =>
    until(
      what,
      async () => {
        const firing = (await prometheus.alerts()).filter(({ state }) => state === 'firing');
        const names = firing.map(nameOf);
        for (const alert of firing) {
          const text = `${alert.annotations['summary']} ${alert.annotations['description']}`;
          const known = seen.get(nameOf(alert));
          seen.set(nameOf(alert), { firesAfterS: known?.firesAfterS ?? sinceS(), text, endsAfterS: null });
        }
        for (const [name, alert] of seen) if (!names.includes(name)) alert.endsAfterS ??= sinceS();
        return holds(names);
      },
      withinMs,
    ).catch(async (error: Error) => {
      throw new Error(`${error.message} ${JSON.stringify(await prometheus.alerts())}`, { cause: error });
    });

  const begin = () => {
    beganAt = performance.now();
    seen = new Map();
  };
  const quiet = () => watch('no alert fires', (firing) => firing.length === 0, 120_000);
  const firing = (...wanted: string[]) =>
    watch(`${wanted.join(', ')} fire`, (names) => wanted.every((name) => names.includes(name)), 120_000);
  const start = async (count: number) => {
    const starts = Array.from({ length: count }, () =>
      story.start(story.newSubject(), {}, { prefer: 'wait=0' }),
    );
    for (const { status } of await Promise.all(starts)) expect(status).toBe(202);
  };

  /** Shows when each alert fired and ended, and checks the texts that a person would get. */
  const told = (outage: string) => {
    const lines = [...seen].map(
      ([name, { firesAfterS, endsAfterS }]) =>
        `  ${name}: fires after ${firesAfterS} s, ended after ${endsAfterS} s`,
    );
    process.stderr.write(`${outage}:\n${lines.join('\n')}\n`);
    for (const { text } of seen.values()) expect(text).not.toMatch(/<no value>|<error|%!|\{\{/);
  };

  it('scrapes service, worker and console, and no alert fires', async () => {
    begin();
    await until('all targets are up', async () => {
      const health = Object.values(await prometheus.targets());
      return health.length === 3 && health.every((each) => each === 'up');
    });
    await story.sent();
    await quiet();
    expect((await prometheus.alerts()).map(nameOf)).toEqual([]);
  });

  it('fires and ends in a storm of 503', async () => {
    begin();
    story.sandbox.control.addFault({ route: '*', status: 503, times: 0 });
    await start(40);
    await firing('BreakerOpen page', 'RetriesGrowing page', 'IntegrationDegraded ticket');
    story.sandbox.control.removeFaults();
    await quiet();
    told('storm of 503');
    expect([...seen.keys()].sort()).toEqual([
      'BreakerOpen page',
      'IntegrationDegraded ticket',
      'RetriesGrowing page',
      'RetriesGrowing ticket',
    ]);
  });

  it('fires and ends with a refused key', async () => {
    begin();
    story.sandbox.control.addFault({ route: '*', status: 401, times: 0 });
    await start(3);
    await firing('KeyRefused page', 'OnboardingsParked ticket');
    story.sandbox.control.removeFaults();
    await quiet();
    told('refused key');
    const expected = new Set(['KeyRefused page', 'OnboardingsParked ticket', 'IntegrationDegraded ticket']);
    expect([...seen.keys()].filter((name) => !expected.has(name))).toEqual([]);
  });

  it('has reached each process at each scrape, in a second', async () => {
    expect(await prometheus.query('min(min_over_time(up[5m]))')).toEqual([1]);
  });

  it('can read our metrics without a complaint of promtool', async () => {
    for (const url of Object.values(targets)) {
      const text = await (await fetch(`${url}/metrics`)).text();
      // prom-client's own names do not follow all rules.
      const ours = text.split('\n').filter((line) => !/^(?:# (?:HELP|TYPE) )?(?:nodejs|process)_/.test(line));
      promtool(['check', 'metrics'], ours.join('\n'));
    }
  });
});

describe('the faster rules', () => {
  it('differ only in their times', () => {
    const times = /\b\d+[smh]\b/g;
    expect(faster('for: 1m\nrate(x[5m] offset 1h) > 300')).toBe('for: 3s\nrate(x[15s] offset 180s) > 300');
    expect(faster(readText(RULES)).replaceAll(times, '')).toBe(readText(RULES).replaceAll(times, ''));
  });
});
