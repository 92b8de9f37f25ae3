/**
 * `npm run bench:check` compares an onboarding's cost with the bounds in bounds.json. Speed and CPU time
 * depend on the machine, so they are relative to a reference server in the same run.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { flagsOrExit } from '../tools/launcher/flags.mjs';
import { CHECKOUT, cacheFolder } from '../tools/checkout.js';
import { runTool, say, step, Plain } from '../tools/console.js';
import { contenders, type ContenderName } from './contenders.js';
import { count, type Counts } from './count.js';
import { judge, needsAnotherTry, shown, type Bounds, type Ratios, type Try } from './judge.js';
import { installPackages, prepare } from './prepare.js';
import { Field, noiseOf, type Plan, type Result } from './rounds.js';

const PLAN: Plan = {
  settings: [{ atOnce: 16, delayMs: 0 }],
  pairs: 3,
  firstWarmMs: 12_000,
  warmMs: 500,
  windowMs: 1_200,
};
const COMPARED = new Set<ContenderName>(['relay', 'usual', 'gangway']);
const BOUNDS = join(CHECKOUT, 'bench', 'bounds.json');
/**
 * Noisy runs in a row on main. The file is outside the checkout, because the next run may use another one.
 */
const NOISY_BEFORE = join(cacheFolder(), 'bench-noisy-runs');

const COMMAND = {
  name: 'npm run bench:check',
  summary: 'Compares the cost of an onboarding with the bounds of bench/bounds.json, in under two minutes.',
  flags: {},
};

await runTool(async () => {
  flagsOrExit(COMMAND, process.argv.slice(2));
  installPackages();
  await step('Checking the types of bench/', checkTypes);
  const bounds = JSON.parse(readFileSync(BOUNDS, 'utf8')) as Bounds;
  const { counts, tries } = await measure(bounds);
  const { roundTrips, statements, commits, walBytes } = counts;
  const counted = { roundTrips, statements, commits, walBytes };
  const noisyBefore = readNoisyBefore();
  const { passes, lines, noisyInARow } = judge({ counted, bounds, tries, onMain: isMain(), noisyBefore });
  if (noisyInARow !== noisyBefore) writeNoisyBefore(noisyInARow);

  for (const line of lines) say(`WARNING: ${line}`);
  const each = Object.entries(counted).map(([name, n]) => `${name} ${n}`);
  say(`per onboarding: ${each.join(', ')}, redisCommands ${counts.redisCommands} (not judged)`);
  const { ratios, noise } = tries.at(-1)!;
  const cpu =
    ratios.cpuOfRelay === null ? '' : `, CPU of the service ${shown(ratios.cpuOfRelay)} of the relay's`;
  say(
    `ratios: onboardings/s ${shown(ratios.rateOfRelay)} of the bare relay's, ` +
      `${shown(ratios.rateOfUsual)} of the usual Nest way's${cpu}; ` +
      `the references varied by ${Math.round(noise * 100)} %`,
  );
  if (!passes) throw new Plain('bench:check: a figure breaks its bound in bench/bounds.json.');
});

async function checkTypes(): Promise<void> {
  const tsc = join(CHECKOUT, 'node_modules', 'typescript', 'bin', 'tsc');
  const args = [tsc, '--noEmit', '-p', join(CHECKOUT, 'bench', 'tsconfig.json')];
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (status !== 0) throw new Plain('bench:check: bench/ has type errors.');
}

async function measure(bounds: Bounds): Promise<{ counts: Counts; tries: Try[] }> {
  const compared = contenders().filter(({ name }) => COMPARED.has(name));
  const { surroundings, upstream, stop } = await prepare();
  try {
    const gangway = compared.find(({ name }) => name === 'gangway')!;
    const counts = await step('Counting', () => count(gangway, surroundings));
    const field = await step('Starting the three', () => Field.start(compared, surroundings, upstream));
    try {
      const tries = [tryOf(await field.play(PLAN, say))];
      if (needsAnotherTry(tries[0]!, bounds)) {
        say('The machine is noisy, or a ratio breaks its bound: measuring once more.');
        tries.push(tryOf(await field.play(PLAN, say)));
      }
      return { counts, tries };
    } finally {
      await field.stop();
    }
  } finally {
    await stop();
  }
}

/** Compares the best turns, because other load on the machine only makes a turn worse. */
function tryOf(results: readonly Result[]): Try {
  const samples = (name: ContenderName) => results.find((result) => result.name === name)!.samples;
  const rate = (name: ContenderName) => Math.max(...samples(name).map(({ perSecond }) => perSecond));
  const cpu = (name: ContenderName) => Math.min(...samples(name).map(({ cpu }) => cpu?.service ?? NaN));
  const measured = samples('relay').every((sample) => sample.cpu !== null);
  const ratios: Ratios = {
    rateOfRelay: rate('gangway') / rate('relay'),
    rateOfUsual: rate('gangway') / rate('usual'),
    cpuOfRelay: measured ? cpu('gangway') / cpu('relay') : null,
  };
  return { ratios, noise: noiseOf(results) };
}

function isMain(): boolean {
  const ask = (ref: string) => {
    try {
      return execFileSync('git', ['rev-parse', '--verify', '--quiet', ref], {
        cwd: CHECKOUT,
        encoding: 'utf8',
      }).trim();
    } catch {
      return undefined;
    }
  };
  const head = ask('HEAD');
  return (
    head !== undefined && ['refs/heads/main', 'refs/remotes/origin/main'].some((ref) => ask(ref) === head)
  );
}

function readNoisyBefore(): number {
  try {
    return Number(readFileSync(NOISY_BEFORE, 'utf8')) || 0;
  } catch {
    return 0;
  }
}

function writeNoisyBefore(runs: number): void {
  mkdirSync(dirname(NOISY_BEFORE), { recursive: true });
  writeFileSync(NOISY_BEFORE, `${runs}\n`);
}
