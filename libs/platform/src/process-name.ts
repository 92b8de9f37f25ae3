import { randomBytes } from 'node:crypto';

/** The name under which this process reports its health, such as `worker-1f09ac3e`. */
export const PROCESS_NAME = Symbol('ProcessName');

export const APP_ROLE = Symbol('AppRole');

export type AppRole = 'service' | 'worker' | 'console';

/** Contains no host name, because anyone may read the health checks. */
export const processNameOf = (role: AppRole): string => `${role}-${randomBytes(4).toString('hex')}`;
