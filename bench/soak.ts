import { Client } from 'pg';
import { say, step } from '../tools/console.js';
import { contenders } from './contenders.js';
import { lineChart } from './line-chart.js';
import { forkHelper, rssMb, takeSample } from './measure.js';
import { prepare } from './prepare.js';

const MINUTES = 10;
const AT_ONCE = 16;
const SHARE = 0.8;

interface Minute {
  perSecond: number;
  p50: number;
  p99: number;
  serviceMb: number | null;
  workerMb: number | null;
  /** In all queues. */
  jobs: number;
  databaseMb: number;
}

export async function soak(): Promise<void> {
  const { surroundings, stop } = await prepare();
  const generator = forkHelper('generator.ts');
  try {
    const { servers } = surroundings;
    const gangway = contenders().find(({ name }) => name === 'gangway')!;
    const running = await gangway.start(surroundings);
    const database = new Client({ connectionString: running.databaseUrl });
    await database.connect();
    const most = await step('Measuring the highest throughput', () =>
      takeSample(generator, running, servers, { atOnce: AT_ONCE, warmMs: 20_000, windowMs: 10_000 }),
    );
    const perSecond = most.perSecond * SHARE;
    say(`${most.perSecond.toFixed(0)} onboardings a second. Running at ${perSecond.toFixed(0)} from now on.`);
    const minutes: Minute[] = [];
    for (let n = 1; n <= MINUTES; n++) {
      const load = { atOnce: 4 * AT_ONCE, warmMs: 0, windowMs: 60_000, perSecond };
      const sample = await takeSample(generator, running, servers, load);
      const { rows } = await database.query(
        'SELECT pg_database_size(current_database())::float8 / 1048576 AS mb',
      );
      const metrics = await (await fetch(`${running.url}/metrics`)).text();
      minutes.push({
        perSecond: sample.perSecond,
        p50: sample.p50,
        p99: sample.p99,
        serviceMb: sample.rssMb,
        workerMb: rssMb(running.worker!),
        jobs: sum(metrics, 'gangway_queue_jobs', 'state="waiting"'),
        databaseMb: rows[0].mb,
      });
      say(`  minute ${n}: ${JSON.stringify(minutes.at(-1))}`);
    }
    print(minutes);
    await database.end();
    await running.stop();
  } finally {
    generator.disconnect();
    await stop();
  }
}

const sum = (metrics: string, name: string, label: string) =>
  [...metrics.matchAll(new RegExp(`^${name}\\{.*${label}.*\\} (\\d+)`, 'gm'))].reduce(
    (all, [, value]) => all + Number(value),
    0,
  );

function print(minutes: readonly Minute[]): void {
  const columns: [string, (minute: Minute) => number | null, number][] = [
    ['onboardings/s', ({ perSecond }) => perSecond, 0],
    ['p50 ms', ({ p50 }) => p50, 1],
    ['p99 ms', ({ p99 }) => p99, 0],
    ['service MB', ({ serviceMb }) => serviceMb, 0],
    ['worker MB', ({ workerMb }) => workerMb, 0],
    ['jobs that wait', ({ jobs }) => jobs, 0],
    ['database MB', ({ databaseMb }) => databaseMb, 0],
  ];
  say(
    `\n| minute | ${columns.map(([name]) => name).join(' | ')} |\n|${' ---: |'.repeat(columns.length + 1)}`,
  );
  for (const [index, minute] of minutes.entries()) {
    const cells = columns.map(([, valueOf, digits]) => valueOf(minute)?.toFixed(digits) ?? '–');
    say(`| ${[index + 1, ...cells].join(' | ')} |`);
  }
  say(
    `\n${lineChart(
      'p99 of a call, ms, by minute',
      'min',
      minutes.map(({ p99 }) => p99),
    )}`,
  );
}
