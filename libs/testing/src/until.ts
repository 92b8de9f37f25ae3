import { setTimeout as pause } from 'node:timers/promises';

/**
 * Waits for a condition, and not for a time.
 *
 * @returns what the condition gave as soon as it is neither false, null nor undefined.
 * @throws Error that repeats what was waited for, when it has not come within the time.
 */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  withinMs = 60_000,
): Promise<Exclude<T, false | null | undefined>> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const found = await condition();
    if (found !== false && found !== null && found !== undefined)
      return found as Exclude<T, false | null | undefined>;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms`);
    await pause(5);
  }
}
