/** What a person at the terminal reads. Plain lines: no cursor tricks, so that a log of it reads the same. */

// Whoever read this is gone (`npm start | head`): end as on a closed terminal, tidying up, instead of falling over.
process.stdout.once('error', () => {
  process.stdout.on('error', () => undefined);
  process.kill(process.pid, 'SIGHUP');
});

/** Prints one line. */
export function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/**
 * Says what is being done, does it, and says how long it took.
 *
 * @param what the work, as the reader would name it
 * @returns what the work returns; its error passes through
 */
export async function step<T>(what: string, work: () => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  say(`→ ${what} …`);
  const result = await work();
  say(`✓ ${what} (${((performance.now() - startedAt) / 1000).toFixed(1)} s)`);
  return result;
}

/**
 * Runs a tool to its end: an error becomes one readable message and exit code 1. Only an error that nobody
 * meant for a reader's eyes brings its stack along.
 */
export async function runTool(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    const isPlain = error instanceof Plain || (error as Error | null)?.name === 'ConfigError';
    const text = isPlain ? (error as Error).message : error instanceof Error ? error.stack : String(error);
    process.stderr.write(`\ngangway: ${text}\n`);
    process.exitCode = 1;
  }
}

/** An error whose message is all there is to say: what is wrong, and what to do about it. */
export class Plain extends Error {
  override readonly name = 'Plain';
}
