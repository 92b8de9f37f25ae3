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
  rules,
  runbookExpressions,
} from '../observability/observability.js';
import { fixedSelectors } from '../observability/promql.js';
import type { AppProcess } from '../support/app-process.js';
import {
  describeWithPrometheus,
  promtool,
  startPrometheus,
  type ActiveAlert,
  type Prometheus,
} from '../support/prometheus.js';
import { Story } from '../support/story.js';

jest.setTimeout(300_000);

const FOLDER = join(OBSERVABILITY, 'prometheus');

describeWithPrometheus('promtool', () => {
  it('accepts the rules and the configuration', () => {
    promtool(['check', 'rules', RULES]);
    // The files that the configuration names exist only in the container.
    promtool(['check', 'config', '--syntax-only', join(FOLDER, 'prometheus.yml')]);
  });

  it('sees each alert fire in its outage, and no alert fire in a healthy hour', async () => {
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

/** The alerts for a storm depend on the default values of these settings. */
const AS_BY_DEFAULT = ['RETRY_FLOOR_MS', 'RETRY_BASE_MS', 'BREAKER_CALLS', 'RETRY_BUDGET_BURST'];
const FASTER = 10;
/** A busy machine may keep the first two firing. UnknownRefusals fires for an hour. */
const NOT_EXPECTED_TO_END = new Set(['EventLoopLag ticket', 'ServiceDown page', 'UnknownRefusals ticket']);

/** Divides `for`, ranges and offsets by ten, but not thresholds in seconds. */
function faster(rules: string): string {
  const units: Record<string, number> = { s: 1, m: 60, h: 3_600 };
  const short = (amount: string, unit: string) => `${Math.ceil((Number(amount) * units[unit]!) / FASTER)}s`;
  return rules.replaceAll(
    /(\bfor: |\[|\boffset )(\d+)([smh])\b/g,
    (_, before: string, amount: string, unit: string) => `${before}${short(amount, unit)}`,
  );
}

/** Metrics of prom-client and OpenTelemetry, which break promtool's rules. */
const NOT_OURS = /^(?:# (?:HELP|TYPE) )?(?:nodejs_|process_|db_client_connection_count)/;

/** Labels not checked here: `kind` needs a provider with TLS, and Prometheus adds the others. */
const NOT_HERE = new Set(['kind', 'alertstate', 'severity']);

const nameOf = ({ labels }: ActiveAlert) => `${labels['alertname']} ${labels['severity']}`;

describeWithPrometheus('a real Prometheus', () => {
  let story: Story;
  let prometheus: Prometheus;
  let worker: AppProcess;
  let targets: Record<string, string>;

  beforeAll(async () => {
    story = await Story.begin({ env: { PROBE_EVERY_MS: '2000' }, service: false, worker: false });
    for (const name of AS_BY_DEFAULT) delete story.env[name];
    story.env['RETRY_CAP_MS'] = '5000';
    const service = await story.startProcess('onboarding');
    worker = await story.startProcess('worker');
    const console = await story.startProcess('console');
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

  /** The fired alerts, by name and severity. */
  let seen: Map<string, { firesAfterS: number; text: string; endsAfterS: number | null }>;
  let beganAt: number;
  const sinceS = () => Math.round((performance.now() - beganAt) / 1_000);

  /** Records the firing alerts until `holds` accepts their names. */
  const watch = (what: string, holds: (firing: string[]) => boolean, withinMs: number) =>
    until(
      what,
      async () => {
        const firing = (await prometheus.alerts()).filter(
          (alert) => alert.state === 'firing' && !NOT_EXPECTED_TO_END.has(nameOf(alert)),
        );
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
  });

  it('fires the alerts for a storm of 503, and ends them after the storm', async () => {
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

  it('fires the alerts for a refused key, and ends them when the key is accepted again', async () => {
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

  it('fires alerts after the last worker was killed, and ends them when a worker runs again', async () => {
    begin();
    await worker.kill();
    await firing('CanaryDead page', 'ProcessDown ticket');
    worker = await story.startProcess('worker', { WORKER_PORT: new URL(worker.url).port });
    await quiet();
    told('last worker killed');
    const expected = new Set(['CanaryDead page', 'ProcessDown ticket', 'QueueOld ticket']);
    expect([...seen.keys()].filter((name) => !expected.has(name))).toEqual([]);
  });

  it('has reached each process in most scrapes', async () => {
    const [share] = await prometheus.query('min(avg_over_time(up[5m]))');
    // An earlier test killed the worker for a while.
    expect(share).toBeGreaterThan(0.7);
  });

  it('has each series that rules and dashboards select by a fixed label value', async () => {
    const expressions = [...rules(), ...dashboardExpressions()].flatMap(({ expr }) => fixedSelectors(expr));
    const named = expressions.filter(({ label }) => !NOT_HERE.has(label));
    const missing: string[] = [];
    for (const { metric, label, value } of named) {
      const series = `${metric}{${label}="${value}"}`;
      const [count = 0] = await prometheus.query(`count(last_over_time(${series}[5m]))`);
      if (count === 0) missing.push(series);
    }
    expect(named.length).toBeGreaterThan(10);
    expect(missing).toEqual([]);
  });

  it('scrapes metrics in which promtool finds no fault', async () => {
    for (const url of Object.values(targets)) {
      const text = await (await fetch(`${url}/metrics`)).text();
      const ours = text.split('\n').filter((line) => !NOT_OURS.test(line));
      promtool(['check', 'metrics'], ours.join('\n'));
    }
  });
});

describe('the rules with shorter times for tests', () => {
  it('differ from the real rules only in their times', () => {
    const times = /\b\d+[smh]\b/g;
    expect(faster('for: 1m\nrate(x[5m] offset 1h) > 300')).toBe('for: 6s\nrate(x[30s] offset 360s) > 300');
    expect(faster(readText(RULES)).replaceAll(times, '')).toBe(readText(RULES).replaceAll(times, ''));
  });
});
