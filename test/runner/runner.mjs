import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import './native-modules.mjs';
import { use } from './jest-globals.mjs';

const ofCircus = createRequire(createRequire(import.meta.url).resolve('jest-circus/runner'));
const circus = ofCircus('./runner.js').default;
const { ModernFakeTimers } = ofCircus('@jest/fake-timers');
// jest gives each test file an `expect` from another realm, where String and Date are other classes. The test
// file runs in the realm of Node.js, so it gets the `expect` of this realm.
const { jestExpect: expect } = ofCircus('@jest/expect');

/** A jest worker with a larger heap than this has run e2e tests. */
const FULL_BYTES = 300 * 1024 * 1024;

/** False if jest runs all tests in this process, even if an editor has started the process. */
const IS_WORKER = /jest-worker.*processChild/.test(process.argv[1] ?? '');

let files = 0;

// The worker kills itself, because jest reports a leak if a worker takes half a second to exit. A large heap
// makes the exit that slow. jest still reports a real leak, because an open handle prevents `beforeExit`.
if (IS_WORKER) process.once('beforeExit', () => process.kill(process.pid, 'SIGKILL'));
// End the worker if jest was killed. Check regularly, because a `disconnect` listener would keep it running.
if (IS_WORKER) setInterval(() => process.connected || process.kill(process.pid, 'SIGKILL'), 1_000).unref();

/**
 * jest’s test runner with two changes: Node.js loads the test file and its imports, and a worker with a large
 * heap restarts before the next test file. It has the same parameters and result as `jest-circus/runner`.
 */
export default async function run(globalConfig, config, environment, runtime, testPath, sendMessageToJest) {
  // End a worker that has run e2e tests, because their leftovers must not affect this test file. jest then
  // sends the file to a new worker. Do not use jest's `workerIdleMemoryLimit` instead, because it would kill
  // a worker that already runs the next file.
  if (IS_WORKER && files > 0 && process.memoryUsage().heapUsed > FULL_BYTES) process.exit(1);
  const env = { ...process.env };
  environment.fakeTimersModern = new ModernFakeTimers({ config, global: globalThis });
  // jest maps stack traces only for files that it has transformed. Node.js has loaded these files, so Node.js
  // must map the stack traces.
  Error.prepareStackTrace = undefined;
  process.setSourceMapsEnabled(true);
  runtime.unstable_shouldLoadAsEsm = () => true;
  runtime.unstable_importModule = async (path) => {
    use({ ...runtime.requireModuleOrMock(testPath, '@jest/globals'), expect });
    expect.setState({ testPath });
    await import(`${pathToFileURL(path).href}?file=${(files += 1)}`);
  };
  // Set the name of the running test here too, because jest sets it only in its own copy of `expect`.
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
