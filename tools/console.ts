/**
 * Output for people at the terminal: plain lines without cursor control, which look the same in a log file.
 */

// If the reader of the output ends (`npm start | head`), stop in order, as if the terminal closed.
process.stdout.once('error', () => {
  process.stdout.on('error', () => undefined);
  process.kill(process.pid, 'SIGHUP');
});

export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Does the work. Prints its name `what` before, and its duration after. */
export async function step<T>(what: string, work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  say(`→ ${what} …`);
  const result = await work();
  say(`✓ ${what} (${((performance.now() - startedAt) / 1000).toFixed(1)} s)`);
  return result;
}

/** An error becomes one readable message and exit code 1. Only an unexpected error shows its stack. */
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

/** An error whose message tells its reader what is wrong and what to do. */
export class Plain extends Error {
  override readonly name = 'Plain';
}
