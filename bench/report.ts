import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { CHECKOUT } from '../tools/checkout.js';
import type { Contender, ContenderName } from './contenders.js';
import { median, type Counts } from './count.js';
import { TOO_NOISY, shown } from './judge.js';
import { nameOf, noiseOf, type Result, type Setting } from './rounds.js';
import { CALLS, KEYED, type CallName } from './walk.js';

/** Medians over the turns. Times are in milliseconds, CPU time is per onboarding. */
export interface Row extends Setting {
  name: ContenderName;
  perSecond: number;
  /** Relative to the bare relay in the same setting. */
  ofRelay: number | null;
  p50: number;
  p99: number;
  byCall: Record<CallName, { p50: number; p99: number }>;
  cpuMs: { service: number; beside: number; postgres: number; redis: number } | null;
  rssMb: number | null;
}

export interface Report {
  madeAt: string;
  machine: { cpu: string; cores: number; node: string; loadBefore: number };
  /** See {@link noiseOf}. */
  noise: number;
  noisy: boolean;
  keyedCalls: readonly CallName[];
  titles: Partial<Record<ContenderName, string>>;
  rows: Row[];
  counts: Partial<Record<ContenderName, Counts>>;
}

/** How many processes ran or waited for a core before the bench began. */
export const loadBefore = (): number => loadavg()[0]!;

/** Above this load, other programs disturb the measurement. */
const BUSY = 1;

export function reportOf(
  contenders: readonly Contender[],
  results: readonly Result[],
  counts: Report['counts'],
  load: number,
): Report {
  const noise = noiseOf(results);
  const rates = (name: ContenderName, setting: Setting) =>
    results
      .filter((result) => result.name === name && result.setting === setting)
      .flatMap(({ samples }) => samples.map(({ perSecond }) => perSecond));
  const rows = results.map(({ name, setting, samples }): Row => {
    const mid = (valueOf: (sample: (typeof samples)[number]) => number) => median(samples.map(valueOf));
    const perSecond = mid((sample) => sample.perSecond);
    const relay = rates('relay', setting);
    const measured = samples.every(({ cpu }) => cpu !== null);
    return {
      name,
      ...setting,
      perSecond,
      ofRelay: relay.length > 0 ? perSecond / median(relay) : null,
      p50: mid(({ p50 }) => p50),
      p99: mid(({ p99 }) => p99),
      byCall: Object.fromEntries(
        CALLS.map((call) => [
          call,
          { p50: mid(({ byCall }) => byCall[call].p50), p99: mid(({ byCall }) => byCall[call].p99) },
        ]),
      ) as Row['byCall'],
      cpuMs: measured
        ? {
            service: mid(({ cpu }) => cpu!.service),
            beside: mid(({ cpu }) => cpu!.beside),
            postgres: mid(({ cpu }) => cpu!.postgres),
            redis: mid(({ cpu }) => cpu!.redis),
          }
        : null,
      rssMb: samples.at(-1)!.rssMb,
    };
  });
  return {
    madeAt: new Date().toISOString(),
    machine: {
      cpu: cpus()[0]?.model.trim() ?? 'unknown',
      cores: availableParallelism(),
      node: process.versions.node,
      loadBefore: load,
    },
    noise,
    noisy: noise > TOO_NOISY || load > BUSY,
    keyedCalls: KEYED,
    titles: Object.fromEntries(contenders.map(({ name, title }) => [name, title])),
    rows,
    counts,
  };
}

const table = (head: string[], rows: string[][]): string =>
  [head, head.map((_, i) => (i === 0 ? '---' : '---:')), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
const or = (value: number | null | undefined, digits?: number): string =>
  value == null ? '–' : digits === undefined ? shown(value) : value.toFixed(digits);

export function markdown(report: Report): string {
  const { machine, titles } = report;
  const varied = `the references varied by ${Math.round(report.noise * 100)} % between turns`;
  const unkeyed = CALLS.filter((call) => !report.keyedCalls.includes(call));
  const facts = [
    `Made ${report.madeAt.slice(0, 16).replace('T', ' ')} UTC`,
    ` on ${machine.cores} cores (${machine.cpu}), Node ${machine.node}.`,
    ` Calls with an \`Idempotency-Key\`: ${report.keyedCalls.join(', ')}; without: ${unkeyed.join(', ')}.`,
    report.noisy
      ? ` **This run was noisy**: the load was ${machine.loadBefore.toFixed(1)} before it, and ${varied}.` +
        ' Trust the counts. Take the ratios as rough figures.'
      : ` The run was quiet: ${varied}.`,
  ];
  const settings = [...new Map(report.rows.map((row) => [nameOf(row), row])).keys()];
  const speed = settings.map((setting) => {
    const rows = report.rows.filter((row) => nameOf(row) === setting);
    const cpu = ['CPU service', 'beside', 'PostgreSQL', 'Redis'];
    const head = ['', 'onboardings/s', 'against relay', 'p50 ms', 'p99 ms', ...cpu, 'RSS MB'];
    const cells = rows.map(({ name, perSecond, ofRelay, p50, p99, cpuMs, rssMb }) => [
      titles[name]!,
      or(perSecond),
      or(ofRelay, 3),
      or(p50, 1),
      or(p99, 1),
      or(cpuMs?.service, 2),
      or(cpuMs?.beside, 2),
      or(cpuMs?.postgres, 2),
      or(cpuMs?.redis, 2),
      or(rssMb, 0),
    ]);
    return `### ${setting}\n\n${table(head, cells)}`;
  });
  const counted = Object.entries(report.counts).map(([name, counts]) => [
    titles[name as ContenderName]!,
    `${counts.roundTrips} (${CALLS.map((call) => counts.roundTripsByCall[call]).join(', ')})`,
    String(counts.statements),
    String(counts.commits),
    String(counts.walBytes),
    String(counts.redisCommands),
  ]);
  const roundTrips = `round trips (${CALLS.join(', ')})`;
  const head = ['', roundTrips, 'statements', 'commits that write', 'WAL bytes', 'Redis commands'];
  return [facts.join(''), ...speed, `### Counted per onboarding\n\n${table(head, counted)}`].join('\n\n');
}

const BAR = { left: 370, width: 330, height: 16, gap: 6 };
const COLOUR: Record<ContenderName, string> = {
  relay: '#9aa0a6',
  'crash-safe': '#9aa0a6',
  usual: '#c58b5b',
  dbos: '#c58b5b',
  gangway: '#2b6cb0',
  pooled: '#63a4dd',
};

export function chart(report: Report): string {
  const parts: string[] = [];
  let y = 10;
  const escaped = (content: string) => content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  const text = (x: number, content: string, more = '') =>
    parts.push(`<text x="${x}" y="${y + 12}" ${more}>${escaped(content)}</text>`);
  for (const setting of new Set(report.rows.map(nameOf))) {
    text(10, `${setting}: onboardings a second`, 'font-weight="bold"');
    y += 22;
    const rows = report.rows.filter((row) => nameOf(row) === setting);
    const most = Math.max(...rows.map(({ perSecond }) => perSecond));
    for (const { name, perSecond } of rows) {
      const width = Math.max(1, (perSecond / most) * BAR.width);
      text(BAR.left - 8, report.titles[name]!, 'text-anchor="end"');
      const place = `x="${BAR.left}" y="${y}" width="${width.toFixed(1)}" height="${BAR.height}"`;
      parts.push(`<rect ${place} fill="${COLOUR[name]}"/>`);
      text(BAR.left + width + 6, shown(perSecond));
      y += BAR.height + BAR.gap;
    }
    y += 14;
  }
  const width = BAR.left + BAR.width + 80;
  const size = `width="${width}" height="${y}" viewBox="0 0 ${width} ${y}"`;
  const style = 'font-family="sans-serif" font-size="12" fill="#24292f"';
  const label = 'role="img" aria-label="Onboardings a second by contender"';
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} ${style} ${label}>
<rect width="${width}" height="${y}" fill="#ffffff"/>
${parts.join('\n')}
</svg>
`;
}

const PAGE = join(CHECKOUT, 'docs', 'performance.md');
const DATA = join(CHECKOUT, 'docs', 'performance.json');
const CHART = join(CHECKOUT, 'docs', 'images', 'performance.svg');
const MARKS = ['<!-- bench: from here -->', '<!-- bench: to here -->'] as const;

export function writeDocs(report: Report): void {
  const [from, to] = MARKS;
  const page = readFileSync(PAGE, 'utf8');
  const [before, after] = [page.split(from)[0]!, page.split(to)[1] ?? ''];
  const links =
    '![Onboardings a second, by contender](images/performance.svg)\n\n[The data](performance.json).';
  writeFileSync(PAGE, `${before}${from}\n\n${links} ${markdown(report)}\n\n${to}${after}`);
  const compact = (_: string, value: unknown) =>
    typeof value === 'number' ? Number(value.toPrecision(4)) : value;
  writeFileSync(DATA, JSON.stringify(report, compact, 2));
  writeFileSync(CHART, chart(report));
  const prettier = join(CHECKOUT, 'node_modules', 'prettier', 'bin', 'prettier.cjs');
  execFileSync(process.execPath, [prettier, '--write', '--log-level=warn', PAGE, DATA], { cwd: CHECKOUT });
}
