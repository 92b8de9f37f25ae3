import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import './native-modules.mjs';
import { use } from './jest-globals.mjs';

const ofCircus = createRequire(createRequire(import.meta.url).resolve('jest-circus/runner'));
const circus = ofCircus('./runner.js').default;
const { ModernFakeTimers } = ofCircus('@jest/fake-timers');
// jest's own `expect` is from another realm, with other classes String and Date.
const { jestExpect: expect } = ofCircus('@jest/expect');

/** Only e2e tests make a jest worker's heap larger than this. */
const FULL_BYTES = 300 * 1024 * 1024;

/** False if the tests run in jest's own process, even if an editor has started it. */
const IS_WORKER = /jest-worker.*processChild/.test(process.argv[1] ?? '');

let files = 0;

// A large heap makes the exit so slow that jest reports a leak. jest still reports a real leak, because an
// open handle prevents `beforeExit`.
if (IS_WORKER) process.once('beforeExit', () => process.kill(process.pid, 'SIGKILL'));
// End the worker if jest was killed. A `disconnect` listener would keep the worker running.
if (IS_WORKER) setInterval(() => process.connected || process.kill(process.pid, 'SIGKILL'), 1_000).unref();

/** Like `jest-circus/runner`, but Node.js loads the test file and its imports. */
export default async function run(globalConfig, config, environment, runtime, testPath, sendMessageToJest) {
  // After this exit, jest sends the file to a new worker, without leftovers of e2e tests.
  // `workerIdleMemoryLimit` would kill a worker that already runs the next file.
  if (IS_WORKER && files > 0 && process.memoryUsage().heapUsed > FULL_BYTES) process.exit(1);
  const env = { ...process.env };
  environment.fakeTimersModern = new ModernFakeTimers({ config, global: globalThis });
  // jest maps stack traces only for files that it has transformed.
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
