import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { Client } from 'pg';
import { say } from '../tools/console.js';
import { contenders } from './contenders.js';
import type { Said } from './generator.js';
import { forkHelper, postgresCpu, takeSample } from './measure.js';
import { prepare } from './prepare.js';

const LOAD = { atOnce: 16, warmMs: 5_000, windowMs: 10_000 };

export async function profile(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'gangway-bench-profile-'));
  const file = join(folder, 'main-thread.json');
  const profiler = new URL('profiler.mjs', import.meta.url);
  profiler.searchParams.set('to', file);
  const { surroundings, stop } = await prepare(true);
  const generator = forkHelper('generator.ts');
  try {
    const gangway = contenders().find(({ name }) => name === 'gangway')!;
    const running = await gangway.start({ ...surroundings, nodeArgs: ['--import', profiler.href] });
    const database = new Client({ connectionString: running.databaseUrl });
    await database.connect();
    await database.query('CREATE EXTENSION IF NOT EXISTS pg_stat_statements');

    const said = async (what: Said): Promise<void> => {
      for (;;) if ((await once(generator, 'message'))[0] === what) return;
    };
    const counted = said('begin').then(async () => {
      process.kill(running.service, 'SIGUSR2');
      await database.query('SELECT pg_stat_statements_reset()');
      const before = postgresCpu(surroundings.servers.postgresPid);
      await said('end');
      const after = postgresCpu(surroundings.servers.postgresPid);
      process.kill(running.service, 'SIGUSR2');
      return { rows: await statements(database), before, after };
    });
    const sample = await takeSample(generator, running, surroundings.servers, LOAD);
    const { rows, before, after } = await counted;
    while (!existsSync(file)) await wait(50);
    const onboardings = sample.perSecond * (LOAD.windowMs / 1_000);
    await database.end();
    await running.stop();

    const rate = sample.perSecond.toFixed(0);
    say(`\n${rate} onboardings a second, ${LOAD.atOnce} at once. All figures are per onboarding.`);
    say(`CPU of the service ${ms(sample.cpu?.service)} ms, of PostgreSQL ${ms(sample.cpu?.postgres)} ms.`);
    printPackages(byPackage(JSON.parse(readFileSync(file, 'utf8')) as CpuProfile), onboardings);
    printProcesses(before, after, onboardings);
    printStatements(rows, onboardings);
  } finally {
    generator.disconnect();
    await stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

const ms = (value: number | undefined) => value?.toFixed(2) ?? '–';

interface Statement {
  query: string;
  calls: number;
  ms: number;
  planMs: number;
  wal: number;
}

/** `ms` includes the time for planning. */
async function statements(database: Client): Promise<Statement[]> {
  const { rows } = await database.query<Statement>(`
    SELECT query, calls::int, total_exec_time + total_plan_time AS ms, total_plan_time AS "planMs",
      wal_bytes::float8 AS wal
    FROM pg_stat_statements
    WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY ms DESC`);
  return rows;
}

type PostgresCpu = ReturnType<typeof postgresCpu>;

/** Unlike pg_stat_statements, this CPU time includes parsing, commits and the protocol. */
function printProcesses(before: PostgresCpu, after: PostgresCpu, onboardings: number): void {
  say('\nPostgreSQL by process, of which in the kernel (sockets, WAL files):');
  const spent = [...after].map(([kind, { ms: total, systemMs }]) => ({
    kind,
    total: (total - (before.get(kind)?.ms ?? 0)) / onboardings,
    system: (systemMs - (before.get(kind)?.systemMs ?? 0)) / onboardings,
  }));
  for (const { kind, total, system } of spent.toSorted((a, b) => b.total - a.total)) {
    say(`${ms(total).padStart(8)} ms ${ms(system).padStart(7)} ms  ${kind}`);
  }
}

function printStatements(rows: Statement[], onboardings: number): void {
  const sum = (valueOf: (row: Statement) => number) =>
    rows.reduce((total, row) => total + valueOf(row), 0) / onboardings;
  const wal = sum((row) => row.wal).toFixed(0);
  const planned = ms(sum((row) => row.planMs));
  say(
    `\nPostgreSQL by statement: ${ms(sum((row) => row.ms))} ms, ` +
      `planning ${planned} ms of it, ${wal} bytes of WAL`,
  );
  say('       ms  WAL bytes  calls  statement');
  for (const { query, calls, ms: time, wal } of rows.slice(0, 25)) {
    const cells = [
      (time / onboardings).toFixed(3).padStart(9),
      (wal / onboardings).toFixed(0).padStart(10),
      (calls / onboardings).toFixed(2).padStart(6),
    ];
    say(`${cells.join(' ')}  ${labelOf(query)}`);
  }
}

function labelOf(query: string): string {
  const writes = [...query.matchAll(/\b(INSERT INTO|UPDATE|DELETE FROM)\s+"?([a-z_]+)/g)];
  const beginning = query.replaceAll(/\s+/g, ' ').trim().slice(0, 60);
  if (writes.length === 0) return beginning;
  const words = writes.map(([, verb, name]) => `${verb!.split(' ')[0]!.toLowerCase()} ${name}`);
  return `${[...new Set(words)].join(', ')}: ${beginning}`;
}

/** Chrome DevTools Protocol, "Profiler.Profile". Times are in microseconds. */
interface CpuProfile {
  nodes: { id: number; callFrame: { functionName: string; url: string }; children?: number[] }[];
  samples: number[];
  timeDeltas: number[];
}

/** Microseconds. Node.js's own code counts for the package that called it, if any. */
function byPackage({ nodes, samples, timeDeltas }: CpuProfile): Map<string, number> {
  const self = new Map<number, number>();
  samples.forEach((id, i) => self.set(id, (self.get(id) ?? 0) + timeDeltas[i]!));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const sums = new Map<string, number>();
  const visit = (id: number, caller: string | undefined) => {
    const { callFrame, children = [] } = byId.get(id)!;
    const owner = packageOf(callFrame) ?? caller;
    const name = owner ?? `node.js ${callFrame.functionName || callFrame.url}`;
    sums.set(name, (sums.get(name) ?? 0) + (self.get(id) ?? 0));
    for (const child of children) visit(child, owner);
  };
  visit(nodes[0]!.id, undefined);
  for (const name of ['(idle)', PROFILER]) sums.delete(name);
  return sums;
}

const PROFILER = 'the profiler';

function packageOf({ functionName, url }: { functionName: string; url: string }): string | undefined {
  if (functionName === '(root)') return undefined;
  if (url.startsWith('node:inspector') || url.includes('/bench/profiler.mjs')) return PROFILER;
  // Time outside of functions has a name in parentheses: idle, program, garbage collector.
  if (/^\(.*\)$/.test(functionName)) return functionName;
  const installed = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url);
  if (installed) return installed[1];
  return /\/dist\/((?:libs|apps)\/[^/]+)\//.exec(url)?.[1];
}

function printPackages(sums: Map<string, number>, onboardings: number): void {
  const total = [...sums.values()].reduce((sum, us) => sum + us, 0);
  say(`\nMain thread by package: ${ms(total / 1_000 / onboardings)} ms`);
  for (const [name, us] of [...sums].toSorted(([, a], [, b]) => b - a)) {
    if (us < total / 500) continue;
    const share = `${((us / total) * 100).toFixed(1)} %`;
    say(`${ms(us / 1_000 / onboardings).padStart(8)} ms ${share.padStart(7)}  ${name}`);
  }
}
