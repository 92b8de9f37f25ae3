import { randomBytes } from 'node:crypto';

/** Injection token of this process's name, such as `worker-1f09ac3e`: what others know it by in shared health. */
export const PROCESS_NAME = Symbol('ProcessName');

/** What an app is to the others. */
export type AppRole = 'service' | 'worker';

/** A name for this run of an app. It holds no host name: anyone may read the health. */
export const processNameOf = (role: AppRole): string => `${role}-${randomBytes(4).toString('hex')}`;
