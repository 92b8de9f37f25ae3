import type { Role } from '#libs/operators';

/**
 * The changes that an operator may make on the queue board. All others need an admin, also on routes that a
 * later version of the board adds.
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

/** @param route the route's pattern, without the prefix of the queue board */
export function roleFor(method: string, route: string): Role {
  if (method === 'GET' || method === 'HEAD') return 'viewer';
  return OPERATORS.has(`${method} ${route}`) ? 'operator' : 'admin';
}
