import { spawn, spawnSync } from 'node:child_process';

/**
 * Says what is wrong and what to do about it, and ends with code 1.
 *
 * @param {string} message
 * @returns {never}
 */
export function fail(message) {
  console.error(`\ngangway: ${message}`);
  process.exit(1);
}

/**
 * Runs a program to its end; ends this process if it fails. All it says goes to standard error: standard output
 * belongs to the command, which may be in a pipe.
 *
 * @param {string} what the work, as the user would name it
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
  if (status !== 0) fail(`${what} failed with code ${status}; the reason stands above.`);
  console.error(`✓ ${what} (${((Date.now() - startedAt) / 1000).toFixed(1)} s)`);
}

/**
 * Runs a program in this one's place: its output, its signals and its exit code are ours.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {import('node:child_process').SpawnOptions} options
 * @returns {import('node:child_process').ChildProcess}
 */
export function handOver(program, args, options) {
  const child = spawn(program, args, { stdio: 'inherit', ...options });
  // Ctrl-C reaches the whole foreground group anyway; this one stays until the child has tidied up.
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
 * npm hands a SIGTERM to the shell between it and us, and that dies without a word: all there is to notice is
 * another parent. Started without npm, this process may outlive its parent as it likes.
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
