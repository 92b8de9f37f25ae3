import { setFlagsFromString } from 'node:v8';

/**
 * Keeps V8's young generation, the space for new objects, at its initial size. Otherwise, it would grow to
 * its largest size while an app starts, and an idle process would keep 30 MB that it does not need.
 */
export const keepYoungGenerationSmall = (): void => setFlagsFromString('--semi-space-growth-factor=1');

/**
 * Lets the heap grow if the load needs it. The young generation grows by V8's default. The old generation may
 * double before V8 collects it. By default, V8 would collect it every second under load.
 */
export function letHeapGrow(): void {
  setFlagsFromString('--semi-space-growth-factor=2');
  setFlagsFromString('--heap-growing-percent=100');
}
