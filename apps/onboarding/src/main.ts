import { requireNode } from '#libs/kernel';

requireNode();
const { serve } = await import('#libs/platform');
const { createApp } = await import('./app.js');

await serve({ create: createApp, port: (config) => config.PORT });
