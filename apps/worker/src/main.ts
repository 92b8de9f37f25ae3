import { requireNode } from '#libs/kernel';

requireNode();
const { serve } = await import('#libs/platform');
const { createWorker, startJobs } = await import('./app.js');

await serve({ create: createWorker, port: (config) => config.WORKER_PORT, started: startJobs });
