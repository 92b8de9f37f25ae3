import { requireNode } from '#libs/kernel';

requireNode();
const { serve } = await import('#libs/platform');
const { PROVIDERS } = await import('#libs/upstream');
const { createApp } = await import('./app.js');

await serve({ providers: PROVIDERS, create: createApp, port: (config) => config.PORT });
