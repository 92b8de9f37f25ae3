import { keepYoungGenerationSmall, requireNode } from '#libs/kernel';

requireNode();
keepYoungGenerationSmall();
const { parseConfig, serve } = await import('#libs/platform');
const { PROVIDERS } = await import('#libs/upstream');
const { createWorker, startJobs } = await import('./app.js');

await serve({
  read: (env) => parseConfig(env, PROVIDERS),
  create: createWorker,
  port: (config) => config.WORKER_PORT,
  started: startJobs,
});
