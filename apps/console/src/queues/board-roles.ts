import type { Role } from '#libs/operators';

/**
 * The changes that an operator may make on the queue board: run or retry existing jobs, and pause and resume
 * queues. All other changes need an admin: new jobs, changed data, deletion, limits, and any route that a
 * later version adds.
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

/** @param route the pattern of a route of the queue board, without the prefix of the queue board */
export function roleFor(method: string, route: string): Role {
  if (method === 'GET' || method === 'HEAD') return 'viewer';
  return OPERATORS.has(`${method} ${route}`) ? 'operator' : 'admin';
}
