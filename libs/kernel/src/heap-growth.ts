import { setFlagsFromString } from 'node:v8';

/**
 * Keeps V8's space for new objects at its initial size. Otherwise, it would grow while an app starts, and an
 * idle process would keep 30 MB that it does not need.
 */
export const keepYoungGenerationSmall = (): void => setFlagsFromString('--semi-space-growth-factor=1');

/**
 * Lets the heap grow under load. By default, V8 would collect the old generation every second. Here, it may
 * double before V8 collects it.
 */
export function letHeapGrow(): void {
  setFlagsFromString('--semi-space-growth-factor=2');
  setFlagsFromString('--heap-growing-percent=100');
}
