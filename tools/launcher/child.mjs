import { spawn, spawnSync } from 'node:child_process';

/**
 * @param {string} message what is wrong and what to do
 * @returns {never} exits with code 1
 */
export function fail(message) {
  console.error(`\ngangway: ${message}`);
  process.exit(1);
}

/**
 * Runs a program to its end, and exits if it fails. All output goes to standard error, because standard
 * output may go into a pipe.
 *
 * @param {string} what for the user
 * @param {string} program
 * @param {string[]} args
 * @param {import('node:child_process').SpawnSyncOptions} options
 */
export function runToEnd(what, program, args, options) {
  const startedAt = Date.now();
  console.error(`→ ${what} …`);
  const { status, signal, error } = spawnSync(program, args, {
    stdio: ['ignore', 2, 2],
    ...options,
  });
  if (error) fail(`${what}: could not run ${program} (${error.message}).`);
  if (signal) process.exit(130);
  if (status !== 0) fail(`${what} failed with code ${status}. See the reason above.`);
  console.error(`✓ ${what} (${((Date.now() - startedAt) / 1000).toFixed(1)} s)`);
}

/**
 * Runs a program, which gets the signals and the terminal. This process exits with its exit code.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {import('node:child_process').SpawnOptions} options
 * @returns {import('node:child_process').ChildProcess}
 */
export function handOver(program, args, options) {
  const child = spawn(program, args, { stdio: 'inherit', ...options });
  // Ctrl-C reaches this process too, but this process must not end before the child.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
  const orphaned = watchForNpm(() => child.kill('SIGTERM'));
  child.on('error', (error) => fail(`could not run ${program} (${error.message}).`));
  child.on('exit', (code, signal) => {
    clearInterval(orphaned);
    process.exitCode = code ?? (signal === 'SIGINT' ? 130 : 1);
  });
  return child;
}

/**
 * Calls `onGone` after npm got a SIGTERM. Only the shell between npm and this process gets the signal from
 * npm. When the shell ends, this process gets another parent.
 *
 * @param {() => void} onGone
 */
function watchForNpm(onGone) {
  if (process.env.npm_lifecycle_event === undefined) return undefined;
  const parent = process.ppid;
  return setInterval(() => {
    if (process.ppid !== parent) onGone();
  }, 250);
}
