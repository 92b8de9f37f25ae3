/**
 * One replica of the service or the worker, as its main.js runs it, with crash points planted: a test's own
 * entry, which no build contains.
 *
 *   node test/chaos/replica.mjs onboarding|worker      CRASH_PLAN={"point", "visits", "jitter"} or nothing
 *
 * Prints `ready <url>` when it listens, and `crashed <point>` when it dies by its plan. The message `disarm` takes
 * the plan back.
 */
import { writeSync } from 'node:fs';
import { nameAttempts, plantCrashPoints } from './crash-points.mjs';

const built = (path) => import(new URL(`../../dist/${path}`, import.meta.url).href);
const kind = process.argv[2];

const [{ CONFIG, Health, parseConfig }, onboarding, { Integrations }] = await Promise.all([
  built('libs/platform/src/index.js'),
  built('libs/onboarding/src/index.js'),
  built('libs/upstream/src/index.js'),
]);
const tokens = { ...onboarding, Integrations };
let plan = JSON.parse(process.env.CRASH_PLAN ?? 'null');
process.on('message', (message) => {
  if (message === 'disarm') plan = null;
});
// The driver is gone: nobody would ever stop this process.
process.on('disconnect', () => process.exit(2));

const config = parseConfig(process.env);
const make = async () => {
  if (kind === 'worker') return (await built('apps/worker/src/app.js')).createWorker(config);
  return (await built('apps/onboarding/src/app.js')).createApp(config);
};
let app;
try {
  app = await make();
  nameAttempts(app, tokens);
  plantCrashPoints(app, tokens, () => plan);
  await app.listen(0, config.HOST);
  if (kind === 'worker') (await built('apps/worker/src/app.js')).startJobs(app);
} catch (error) {
  process.stderr.write(`did not start: ${error.message}\n`);
  process.exit(1);
}
writeSync(1, `ready ${await app.getUrl()}\n`);

process.once('SIGTERM', async () => {
  app.get(Health).drain();
  setTimeout(() => process.exit(3), app.get(CONFIG).DRAIN_TIMEOUT_MS).unref();
  await app.close();
  process.exit(0);
});
