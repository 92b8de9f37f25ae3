import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { METRICS, PROCESS_METRICS, type MetricDefinition } from '#libs/platform';
import { DASHBOARDS } from '../../tools/dashboards.js';

const ROOT = join(import.meta.dirname, '../..');
export const OBSERVABILITY = join(ROOT, 'deploy/observability');
export const RUNBOOKS = join(ROOT, 'docs/operations/runbooks');
export const RULES = join(OBSERVABILITY, 'prometheus/rules/gangway.rules.yml');

export interface Rule {
  alert?: string;
  record?: string;
  expr: string;
  for?: string;
  labels?: { severity?: string };
  annotations?: Record<string, string>;
}

export const readText = (...path: string[]) => readFileSync(join(...path), 'utf8');
export const readYaml = (...path: string[]): unknown => parse(readText(...path), { merge: true });

export function rules(): Rule[] {
  const { groups } = readYaml(RULES) as { groups: { rules: Rule[] }[] };
  return groups.flatMap((group) => group.rules);
}

export const alerts = () =>
  rules().filter((rule): rule is Rule & Required<Pick<Rule, 'alert'>> => rule.alert !== undefined);

export const runbooks = () =>
  readdirSync(RUNBOOKS)
    .map((name) => name.replace(/\.md$/, ''))
    .filter((name) => name !== 'README');

export const runbookExpressions = () =>
  runbooks().flatMap((name) =>
    [...readText(RUNBOOKS, `${name}.md`).matchAll(/```promql\n([\s\S]*?)\n```/g)].map(([, expr = '']) => ({
      at: `runbook ${name}`,
      expr,
    })),
  );

/** `at` names the panel or the variable. */
export function dashboardExpressions(): { at: string; expr: string }[] {
  return Object.entries(DASHBOARDS).flatMap(([file, { panels, templating }]) => [
    ...(panels as { title: string; targets?: { expr: string }[] }[]).flatMap(({ title, targets = [] }) =>
      targets.map(({ expr }) => ({ at: `${file}: ${title}`, expr })),
    ),
    ...(templating.list as { name: string; query: string | { query: string } }[]).flatMap(
      ({ name, query }) => {
        const [, expr] =
          typeof query === 'object' ? (/^label_values\((.+), \w+\)$/.exec(query.query) ?? []) : [];
        return expr === undefined ? [] : [{ at: `${file}: variable ${name}`, expr }];
      },
    ),
  ]);
}

/** @returns the possible labels of each series in Prometheus. */
export function knownSeries(): Map<string, Set<string>> {
  const known = new Map<string, Set<string>>();
  const add = (name: string, labels: readonly string[]) =>
    known.set(name, new Set(['job', 'instance', ...labels]));
  for (const [name, { kind, labels = [] }] of Object.entries<MetricDefinition>(METRICS)) {
    if (kind !== 'histogram') add(name, labels);
    else for (const end of ['bucket', 'count', 'sum']) add(`${name}_${end}`, [...labels, 'le']);
  }
  for (const name of Object.keys(PROCESS_METRICS)) add(name, []);
  for (const { record } of rules()) {
    if (record) add(record, ['http_request_method', 'http_route']);
  }
  add('up', []);
  add('ALERTS', ['alertname', 'alertstate', 'severity']);
  return known;
}
