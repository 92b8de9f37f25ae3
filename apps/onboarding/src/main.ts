import { keepYoungGenerationSmall, requireNode } from '#libs/kernel';

requireNode();
keepYoungGenerationSmall();
const { parseConfig, serve } = await import('#libs/platform');
const { PROVIDERS } = await import('#libs/upstream');
const { createApp } = await import('./app.js');

await serve({ read: (env) => parseConfig(env, PROVIDERS), create: createApp, port: (config) => config.PORT });
