/**
 * A replica of the service or the worker that can crash at a chosen point. It runs the same app as main.js.
 *
 * node test/chaos/replica.mjs onboarding|worker CRASH_PLAN={"point", "visits", "jitter"} (optional)
 *
 * Prints `ready <url>` when it listens, and `crashed <point>` when it kills itself. The IPC message `disarm`
 * cancels the plan.
 */
import { writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { nameAttempts, plantCrashPoints } from './crash-points.mjs';

const built = (path) => import(new URL(`../../dist/${path}`, import.meta.url).href);
const kind = process.argv[2];

const [{ CONFIG, Health, parseConfig }, onboarding, { Integrations, PROVIDERS }] = await Promise.all([
  built('libs/platform/src/index.js'),
  built('libs/onboarding/src/index.js'),
  built('libs/upstream/src/index.js'),
]);
const tokens = { ...onboarding, Integrations };
let plan = JSON.parse(process.env.CRASH_PLAN ?? 'null');
process.on('message', (message) => {
  if (message === 'disarm') plan = null;
});
// The process ends when the test that started it ends.
process.on('disconnect', () => process.exit(2));

const config = parseConfig(process.env, PROVIDERS);
const make = async () => {
  if (kind === 'worker') return (await built('apps/worker/src/app.js')).createWorker(config);
  return (await built('apps/onboarding/src/app.js')).createApp(config);
};
let app;
try {
  app = await make();
  await app.init(); // init also registers the steps
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
  const { DRAIN_TIMEOUT_MS, DRAIN_NOTICE_MS } = app.get(CONFIG);
  const health = app.get(Health);
  health.drain();
  setTimeout(() => {
    writeSync(2, `did not drain: ${process.getActiveResourcesInfo().join(' ')}\n`);
    process.exit(3);
  }, DRAIN_TIMEOUT_MS).unref();
  await sleep(DRAIN_NOTICE_MS);
  health.close();
  await app.close();
  process.exit(0);
});
