import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { DASHBOARDS } from '../../tools/dashboards.js';
import {
  OBSERVABILITY,
  RUNBOOKS,
  alerts,
  dashboardExpressions,
  knownSeries,
  readText,
  readYaml,
  rules,
  runbookExpressions,
  runbooks,
} from './observability.js';
import { readPromql } from './promql.js';

const FOLDER = join(OBSERVABILITY, 'grafana/dashboards');

describe('the alerts', () => {
  it.each(alerts().map((rule) => [rule.alert, rule] as const))(
    '%s has the labels and texts that operators need',
    (name, rule) => {
      expect(['page', 'ticket']).toContain(rule.labels?.severity);
      expect(rule.annotations).toEqual({
        summary: expect.stringMatching(/\S/),
        description: expect.stringMatching(/\.$/),
        runbook_url: `docs/operations/runbooks/${name}.md`,
      });
    },
  );

  it.each(alerts().map((rule) => [rule.alert, rule] as const))(
    '%s has texts that quote only its own labels',
    (_, rule) => {
      const quoted = Object.values(rule.annotations!).flatMap((text) =>
        [...text.matchAll(/\$labels\.(\w+)/g)].map(([, label = '']) => label),
      );
      const { uses, grouping } = readPromql(rule.expr);
      const has = new Set(grouping);
      // Without grouping, an alert has all labels of its series.
      if (grouping.length === 0)
        for (const { metric } of uses)
          knownSeries()
            .get(metric)
            ?.forEach((label) => has.add(label));
      expect(quoted.filter((label) => !has.has(label))).toEqual([]);
    },
  );

  it('have a runbook each, and each runbook has an alert', () => {
    expect(runbooks().sort()).toEqual([...new Set(alerts().map(({ alert }) => alert))].sort());
  });

  it('have a promtool test each, in which they fire', () => {
    const tests = readText(OBSERVABILITY, 'prometheus/tests/gangway.test.yml');
    const untested = alerts().filter(
      ({ alert, labels }) => !tests.includes(`'{alertname="${alert}",severity="${labels?.severity}"}'`),
    );
    expect(untested.map(({ alert }) => alert)).toEqual([]);
  });
});

describe.each(runbooks())('the runbook %s', (name) => {
  const text = readText(RUNBOOKS, `${name}.md`);

  it('says how severe the alert is, where to look, what to do, when to stop, and what not to do', () => {
    const severities = new Set(
      alerts().flatMap((rule) => (rule.alert === name ? [rule.labels?.severity] : [])),
    );
    const [opening = ''] = text.split('\n## ');
    for (const severity of severities) expect(opening.toLowerCase()).toContain(`**${severity}`);
    const headings = [...text.matchAll(/^#+ .*$/gm)].map(([line]) => line);
    expect(headings).toEqual([`# ${name}`, '## Look', '## Do', '## It is over when', '## Do not']);
    expect(runbookExpressions().map(({ at }) => at)).toContain(`runbook ${name}`);
  });

  it('has fewer than 350 words', () => {
    expect(text.split(/\s+/).length).toBeLessThan(350);
  });
});

describe('the PromQL expressions', () => {
  const known = knownSeries();
  const all = [
    ...rules().map(({ alert, record, expr }) => ({ at: `rule ${alert ?? record}`, expr })),
    ...dashboardExpressions(),
    ...runbookExpressions(),
  ];

  it.each(all.map(({ at, expr }) => [at, expr]))('use only metrics and labels that exist: %s', (_, expr) => {
    const { uses, grouping } = readPromql(expr);
    expect(uses.length).toBeGreaterThan(0);
    expect(uses.map(({ metric }) => metric).filter((metric) => !known.has(metric))).toEqual([]);
    for (const { metric, labels } of uses) {
      expect({ metric, unknown: labels.filter((label) => !known.get(metric)!.has(label)) }).toEqual({
        metric,
        unknown: [],
      });
    }
    const labels = new Set(uses.flatMap(({ metric }) => [...known.get(metric)!]));
    expect(grouping.filter((label) => !labels.has(label))).toEqual([]);
  });

  it('are split by readPromql into their metrics, labels and grouping labels', () => {
    expect(
      readPromql('sum by (le, a) (rate(m_bucket{a=~"x.*", b!="{y}"}[5m] offset 1h)) / on (a) r:x > 2'),
    ).toEqual({
      uses: [
        { metric: 'm_bucket', labels: ['a', 'b'] },
        { metric: 'r:x', labels: [] },
      ],
      grouping: ['le', 'a', 'a'],
    });
  });
});

describe('the dashboards', () => {
  it('are equal to the files that tools/dashboards.ts makes', () => {
    const made = Object.fromEntries(
      Object.entries(DASHBOARDS).map(([name, board]) => [name, `${JSON.stringify(board, null, 1)}\n`]),
    );
    if (process.env['ACCEPT_DASHBOARDS']) {
      for (const [name, json] of Object.entries(made)) writeFileSync(join(FOLDER, name), json);
    }
    const found = readdirSync(FOLDER).map((name) => [name, readText(FOLDER, name)] as const);
    expect(Object.fromEntries(found)).toEqual(made);
  });

  it('place panels without overlap, within 24 columns', () => {
    for (const { panels } of Object.values(DASHBOARDS)) {
      const taken = new Set<string>();
      for (const {
        title,
        gridPos: { x, y, w, h },
      } of panels as Placed[]) {
        expect(x + w).toBeLessThanOrEqual(24);
        for (let row = y; row < y + h; row += 1) {
          for (let column = x; column < x + w; column += 1) {
            expect(taken.has(`${row} ${column}`) ? title : null).toBeNull();
            taken.add(`${row} ${column}`);
          }
        }
      }
    }
  });
});

interface Placed {
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
}

interface Service {
  image: string;
  profiles?: string[];
  ports?: string[];
  volumes?: string[];
  read_only?: boolean;
}

describe('the compose profile', () => {
  const { services } = readYaml(OBSERVABILITY, '../../docker-compose.yml') as {
    services: Record<string, Service>;
  };
  const ours = Object.entries(services).filter(([, { profiles }]) => profiles?.includes('observability'));

  it('has fixed versions of Prometheus, Grafana and Jaeger, reachable only from this machine', () => {
    expect(ours.map(([name]) => name)).toEqual(['prometheus', 'grafana', 'jaeger']);
    for (const [, { image, ports, read_only: isReadOnly }] of ours) {
      expect(image).toMatch(/:v?\d+\.\d+\.\d+$/);
      expect(ports).not.toEqual([]);
      for (const port of ports!) expect(port).toMatch(/^127\.0\.0\.1:/);
      expect(isReadOnly).toBe(true);
    }
  });

  it('scrapes service, worker and console at the ports that compose opens', () => {
    const { scrape_configs: jobs } = readYaml(OBSERVABILITY, 'prometheus/prometheus.yml') as {
      scrape_configs: { job_name: string; static_configs: { targets: string[] }[] }[];
    };
    const targets = Object.fromEntries(jobs.map((job) => [job.job_name, job.static_configs[0]!.targets]));
    expect(targets).toEqual({
      'gangway-service': ['service:3000'],
      'gangway-worker': ['worker:3001'],
      'gangway-console': ['console:3400'],
    });
    for (const [target] of Object.values(targets)) {
      const [name = '', port = ''] = target!.split(':');
      expect(services[name]!.ports!.join()).toContain(`:${port}`);
    }
  });
});
