/**
 * Output for people at the terminal. It has only plain lines, without cursor control, so it looks the same in
 * a log file.
 */

// If the program that reads the output ends (`npm start | head`), stop in order, as if the terminal closed.
process.stdout.once('error', () => {
  process.stdout.on('error', () => undefined);
  process.kill(process.pid, 'SIGHUP');
});

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/**
 * Prints the name of the work, does the work, and prints how long it took.
 *
 * @param what the name of the work
 * @returns what the work returns; an error of the work is thrown
 */
export async function step<T>(what: string, work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  say(`→ ${what} …`);
  const result = await work();
  say(`✓ ${what} (${((performance.now() - startedAt) / 1000).toFixed(1)} s)`);
  return result;
}

/**
 * Runs a tool to its end. An error becomes one readable message and exit code 1. Unexpected errors also show
 * their stack.
 */
export async function runTool(main: () => Promise<void> | void): Promise<void> {
  try {
    await main();
  } catch (error) {
    const isPlain = error instanceof Plain || (error as Error | null)?.name === 'ConfigError';
    const text = isPlain ? (error as Error).message : error instanceof Error ? error.stack : String(error);
    process.stderr.write(`\ngangway: ${text}\n`);
    process.exitCode = 1;
  }
}

/** An error whose message is complete for its reader: what is wrong, and what to do. */
export class Plain extends Error {
  override readonly name = 'Plain';
}
