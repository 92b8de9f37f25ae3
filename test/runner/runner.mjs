import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import './native-modules.mjs';
import { use } from './jest-globals.mjs';

const ofCircus = createRequire(createRequire(import.meta.url).resolve('jest-circus/runner'));
const circus = ofCircus('./runner.js').default;
const { ModernFakeTimers } = ofCircus('@jest/fake-timers');
// The one that jest makes for a test file takes the String and Date of its own realm for those of the tests.
const { jestExpect: expect } = ofCircus('@jest/expect');

let files = 0;

/**
 * jest’s own runner of tests, with one change: the test file and all it imports are loaded by Node.js. It takes and
 * returns what `jest-circus/runner` does.
 */
export default async function run(globalConfig, config, environment, runtime, testPath, sendMessageToJest) {
  const env = { ...process.env };
  environment.fakeTimersModern = new ModernFakeTimers({ config, global: globalThis });
  // jest maps stacks by what it has transformed itself. Node.js does it here.
  Error.prepareStackTrace = undefined;
  process.setSourceMapsEnabled(true);
  runtime.unstable_shouldLoadAsEsm = () => true;
  runtime.unstable_importModule = async (path) => {
    use({ ...runtime.requireModuleOrMock(testPath, '@jest/globals'), expect });
    expect.setState({ testPath });
    await import(`${pathToFileURL(path).href}?file=${(files += 1)}`);
  };
  // jest says so to its own copy of `expect` only.
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

/** As jest prints it, without the root block. */
function fullName({ name, parent }) {
  return parent?.parent ? `${fullName(parent)} ${name}` : name;
}
