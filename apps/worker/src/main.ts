import { serve } from '#libs/platform';
import { createWorker, startJobs } from './app.js';

await serve({ create: createWorker, port: (config) => config.WORKER_PORT, started: startJobs });
