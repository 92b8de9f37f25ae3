import type { Role } from '#libs/operators';

/**
 * What an operator may do on the board: set going what waits, and stop it for a while. Everything else that changes
 * something (jobs of one's own making, changed data, deletion, limits) is an admin's, and so is whatever a later
 * version of the board brings.
 */
const OPERATORS: ReadonlySet<string> = new Set([
  'PUT /api/queues/pause',
  'PUT /api/queues/resume',
  'PUT /api/queues/:queueName/pause',
  'PUT /api/queues/:queueName/resume',
  'PUT /api/queues/:queueName/promote',
  'PUT /api/queues/:queueName/retry/:queueStatus',
  'PUT /api/queues/:queueName/:jobId/retry',
  'PUT /api/queues/:queueName/:jobId/promote',
  'PUT /api/queues/:queueName/job-schedulers/:schedulerId/run',
]);

/** @param route pattern of a route of the board, without its prefix. */
export function roleFor(method: string, route: string): Role {
  if (method === 'GET' || method === 'HEAD') return 'viewer';
  return OPERATORS.has(`${method} ${route}`) ? 'operator' : 'admin';
}
