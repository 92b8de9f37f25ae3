/** `npm run bench`. Its flags: `npm run bench -- --help`. */
import { flagsOrExit } from '../tools/launcher/flags.mjs';
import { runTool, say, step, Plain } from '../tools/console.js';
import { contenders } from './contenders.js';
import { count } from './count.js';
import { growth } from './growth.js';
import { installPackages, prepare } from './prepare.js';
import { profile } from './profile.js';
import { loadBefore, markdown, reportOf, writeDocs, type Report } from './report.js';
import { size } from './size.js';
import { soak } from './soak.js';
import { storm } from './storm.js';
import { Field, type Plan } from './rounds.js';

const COMMAND = {
  name: 'npm run bench',
  summary: 'Compares Gangway with other ways to build the service, in some twenty minutes.',
  flags: {
    quick: { is: 'switch', about: 'a first look, in under a minute' },
    profile: { is: 'switch', about: 'where the time of one onboarding goes in Gangway' },
    growth: { is: 'switch', about: 'Gangway beside up to a million open onboardings' },
    size: { is: 'switch', about: 'time to be ready, and idle memory' },
    storm: { is: 'switch', about: 'twenty thousand retries when a provider comes back' },
    soak: { is: 'switch', about: 'ten minutes at 80 % of what it can do' },
    write: { is: 'switch', about: 'updates docs/performance.md with its data and chart' },
    only: { is: 'text', about: 'a few contenders, such as relay,gangway' },
  },
} as const;

const AT_ONCE = [1, 16, 64];
const FULL: Plan = {
  settings: [0, 50].flatMap((delayMs) => AT_ONCE.map((atOnce) => ({ atOnce, delayMs }))),
  pairs: 2,
  firstWarmMs: 15_000,
  warmMs: 2_000,
  windowMs: 5_000,
};
const QUICK: Plan = {
  settings: [{ atOnce: 16, delayMs: 0 }],
  pairs: 1,
  firstWarmMs: 3_000,
  warmMs: 500,
  windowMs: 1_000,
};

await runTool(async () => {
  const values = flagsOrExit(COMMAND, process.argv.slice(2));
  if (values.write && (values.quick || values.only)) throw new Plain('--write needs the whole bench.');
  const load = loadBefore();
  installPackages();
  if (values.profile) return profile();
  if (values.growth) return growth();
  if (values.size) return size();
  if (values.storm) return storm();
  if (values.soak) return soak();

  const names = values.only?.split(',');
  const all = contenders().filter(
    ({ name }) => names?.includes(name) ?? !(values.quick && name === 'pooled'),
  );
  const known = contenders().map(({ name }) => name);
  if (all.length === 0) throw new Plain(`--only takes ${known.join(', ')}`);
  const { surroundings, upstream, stop } = await prepare();
  try {
    const counts: Report['counts'] = {};
    for (const contender of all) {
      const counting = () => count(contender, surroundings, values.quick ? 21 : 61);
      counts[contender.name] = await step(`Counting: ${contender.title}`, counting);
    }
    const field = await step('Starting all of them', () => Field.start(all, surroundings, upstream));
    try {
      const results = await field.play(values.quick ? QUICK : FULL, say);
      const report = reportOf(all, results, counts, load);
      say(`\n${markdown(report)}\n`);
      say(`As JSON:\n${JSON.stringify(report)}`);
      if (values.write) writeDocs(report);
      if (report.noisy) say('\nThis run was noisy: see above.');
    } finally {
      await field.stop();
    }
  } finally {
    await stop();
  }
});
