import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import './native-modules.mjs';
import { use } from './jest-globals.mjs';

const ofCircus = createRequire(createRequire(import.meta.url).resolve('jest-circus/runner'));
const circus = ofCircus('./runner.js').default;
const { ModernFakeTimers } = ofCircus('@jest/fake-timers');
// jest's own `expect` is from another realm, where String and Date are other classes than in the test files.
const { jestExpect: expect } = ofCircus('@jest/expect');

/** Only a jest worker that has run e2e tests has a larger heap than this. */
const FULL_BYTES = 300 * 1024 * 1024;

/** False if all tests run in jest's own process, even if an editor has started it. */
const IS_WORKER = /jest-worker.*processChild/.test(process.argv[1] ?? '');

let files = 0;

// With a large heap, a worker takes so long to exit that jest reports a leak, so the worker kills itself.
// jest still reports a real leak, because an open handle prevents `beforeExit`.
if (IS_WORKER) process.once('beforeExit', () => process.kill(process.pid, 'SIGKILL'));
// End the worker if jest was killed. A `disconnect` listener would keep the worker running.
if (IS_WORKER) setInterval(() => process.connected || process.kill(process.pid, 'SIGKILL'), 1_000).unref();

/**
 * Works like `jest-circus/runner`, except that Node.js loads the test file and its imports, and that a worker
 * with a large heap restarts before the next test file.
 */
export default async function run(globalConfig, config, environment, runtime, testPath, sendMessageToJest) {
  // Leftovers of e2e tests must not affect this test file, so jest must send it to a new worker. jest's
  // `workerIdleMemoryLimit` would kill a worker that already runs the next file.
  if (IS_WORKER && files > 0 && process.memoryUsage().heapUsed > FULL_BYTES) process.exit(1);
  const env = { ...process.env };
  environment.fakeTimersModern = new ModernFakeTimers({ config, global: globalThis });
  // jest maps stack traces only for files that it has transformed, so Node.js must map those of its own
  // files.
  Error.prepareStackTrace = undefined;
  process.setSourceMapsEnabled(true);
  runtime.unstable_shouldLoadAsEsm = () => true;
  runtime.unstable_importModule = async (path) => {
    use({ ...runtime.requireModuleOrMock(testPath, '@jest/globals'), expect });
    expect.setState({ testPath });
    await import(`${pathToFileURL(path).href}?file=${(files += 1)}`);
  };
  // jest sets the name of the running test only in its own copy of `expect`.
  environment.handleTestEvent = ({ name, test }) => {
    if (name === 'test_start') expect.setState({ currentTestName: fullName(test) });
    if (name === 'test_done') expect.setState({ currentTestName: undefined });
  };
  try {
    return await circus(globalConfig, config, environment, runtime, testPath, sendMessageToJest);
  } finally {
    runtime.restoreAllMocks();
    environment.fakeTimersModern.dispose();
    for (const name of Object.keys(process.env)) if (!(name in env)) delete process.env[name];
    Object.assign(process.env, env);
  }
}

function fullName({ name, parent }) {
  return parent?.parent ? `${fullName(parent)} ${name}` : name;
}
