import { serve } from '#libs/platform';
import { createApp } from './app.js';

await serve({ create: createApp, port: (config) => config.PORT });
