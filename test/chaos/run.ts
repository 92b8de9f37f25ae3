/**
 * Breaks the service by a random script, and then checks the data that is left.
 *
 * npm run test:chaos -- [--seed S] [--kills N] [--seconds N] [--callers N] [--onboardings N] [--services N]
 * [--workers N] [--events]
 *
 * The same seed gives the same events, crash plans and choices of the callers, but not the same times. If
 * DATABASE_URL and REDIS_URL are set, the run uses these servers without killing them.
 */
import { writeFileSync } from 'node:fs';
import { flagsOrExit } from '#launcher/flags';
import { CRASH_POINTS } from './crash-points.mjs';
import { ChaosRun, type ChaosResult } from './chaos-run.js';
import { SEED, say } from '../support/drivers/report.js';
import { INVARIANT_NAMES } from '../support/history/checker.js';
import { story } from '../support/history/lines.js';

const values = flagsOrExit(
  {
    name: 'npm run test:chaos',
    summary: 'Kills, cuts and floods a fleet by a seeded script, then checks its history.',
    flags: {
      seed: SEED,
      kills: { is: 'count', default: 100, about: 'processes to kill' },
      seconds: { is: 'count', default: 1500, about: 'the run ends after these, even if kills are left' },
      callers: { is: 'count', default: 30, about: 'callers at the same time' },
      onboardings: { is: 'count', default: 100_000, about: 'onboardings at most' },
      services: { is: 'count', default: 4, about: 'processes of the service' },
      workers: { is: 'count', default: 3, about: 'processes of the worker' },
      events: { is: 'switch', about: 'prints each event' },
      dump: { is: 'text', about: 'a file for the whole history' },
    },
  },
  process.argv.slice(2),
);

say(`chaos with --seed ${values.seed} (Node.js ${process.versions.node})`);
const run = new ChaosRun({
  seed: values.seed,
  kills: values.kills,
  seconds: values.seconds,
  callers: values.callers,
  onboardings: values.onboardings,
  services: values.services,
  workers: values.workers,
  say,
  sayEvent: values.events ? (line) => say(`  ${line}`) : null,
});
for (const reason of ['SIGINT', 'SIGTERM', 'uncaughtException'] as const) {
  process.once(reason, (why: unknown) => {
    process.stderr.write(`${why instanceof Error ? why.stack : reason}\n`);
    void run.end().finally(() => process.exit(1));
  });
}
const result = await run.run();
if (values.dump) writeFileSync(values.dump, JSON.stringify(result, null, 1));
report(result);
process.exit(result.violations.length + result.faults.length > 0 ? 1 : 0);

function report({ history, violations, faults, kills, events, lostClaims, seconds }: ChaosResult): void {
  const { onboardings } = history;
  const calls = onboardings.flatMap((each) => each.calls);
  const lost = calls.filter(({ answer }) => typeof answer !== 'number').length;
  const total = Object.entries(kills).reduce(
    (sum, [cause, n]) => sum + (cause.endsWith('SIGTERM') ? 0 : n),
    0,
  );
  say('');
  say(`seed ${values.seed}: ${total} kills in ${Math.round(seconds)} s`);
  say(`kills by kind: ${counted(kills)}`);
  say(`kills by point: ${CRASH_POINTS.map((point) => `${point} ${killsAt(kills, point)}`).join(', ')}`);
  say(`begun attempts whose acknowledgement was lost: ${lostClaims}`);
  say(`events: ${counted(events)}`);
  say(`onboardings: ${onboardings.length} (${counted(countBy(onboardings, ({ row }) => row.state))})`);
  say(`timeline events: ${onboardings.reduce((sum, each) => sum + each.events.length, 0)}`);
  say(`upstream calls: ${calls.length}, ${lost} without a complete answer`);
  say(`passkeys upstream: ${history.passkeys.length}`);
  say(`answers received: ${onboardings.reduce((sum, each) => sum + each.answers.length, 0)}`);
  say(`attempts by end: ${counted(countBy(endsOf(result), (end) => end))}`);
  say(
    `invariants: ${INVARIANT_NAMES.length} checked, ${violations.length} violations, ${faults.length} faults`,
  );
  for (const fault of faults.slice(0, 10)) say(`\nFAULT ${fault}`);
  const shown = new Set<string>();
  for (const { invariant, onboardingId, detail } of violations.slice(0, 40)) {
    say(`\nVIOLATION of ${invariant}\n  onboarding ${onboardingId}: ${detail}`);
    const onboarding = onboardings.find(({ row }) => row.id === onboardingId);
    if (!onboarding || shown.has(onboardingId) || shown.size >= 5) continue;
    shown.add(onboardingId);
    for (const line of story(onboarding)) say(`    ${line}`);
  }
  if (violations.length + faults.length > 0)
    say(`\nTo repeat: npm run test:chaos -- --seed ${values.seed} …`);
}

function killsAt(kills: Record<string, number>, point: string): number {
  return Object.entries(kills).reduce((sum, [cause, n]) => sum + (cause.endsWith(` ${point}`) ? n : 0), 0);
}

function endsOf({ history }: ChaosResult): string[] {
  return history.onboardings.flatMap(({ events }) =>
    events.flatMap(({ type, data }) =>
      type === 'attempt_ended' ? [data.lapsed ? `${data.class} (lapsed)` : data.class!] : [],
    ),
  );
}

function countBy<T>(items: T[], nameOf: (item: T) => string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const item of items) counts[nameOf(item)] = (counts[nameOf(item)] ?? 0) + 1;
  return counts;
}

function counted(counts: Record<string, number>): string {
  const sorted = Object.entries(counts).sort(([, a], [, b]) => b - a);
  return sorted.map(([name, n]) => `${name} ${n}`).join(', ') || 'none';
}
