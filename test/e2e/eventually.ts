import { setTimeout as pause } from 'node:timers/promises';

/** Waits until something holds that no onboarding tells of. */
export async function eventually(holds: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> {
  for (const endAt = performance.now() + withinMs; !(await holds()); await pause(20)) {
    if (performance.now() > endAt)
      throw new Error(`did not come true within ${withinMs} ms: ${holds.toString()}`);
  }
}
