import { setFlagsFromString } from 'node:v8';

/**
 * V8's space for new objects would grow while an app starts, and an idle process would keep 30 MB that it
 * does not need.
 */
export const keepYoungGenerationSmall = (): void => setFlagsFromString('--semi-space-growth-factor=1');

/** By default, V8 would collect the old generation every second under load. Here, it may double first. */
export function letHeapGrow(): void {
  setFlagsFromString('--semi-space-growth-factor=2');
  setFlagsFromString('--heap-growing-percent=100');
}
