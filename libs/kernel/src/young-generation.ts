import { setFlagsFromString } from 'node:v8';

/**
 * Keeps V8's young generation, the space for new objects, as small as it is. While an app starts, it would
 * grow to its largest size, and an idle process would keep 30 MB that it does not need.
 */
export const keepYoungGenerationSmall = (): void => setFlagsFromString('--semi-space-growth-factor=1');

/** Lets the young generation grow if the load needs it. This is V8's default. */
export const letYoungGenerationGrow = (): void => setFlagsFromString('--semi-space-growth-factor=2');
