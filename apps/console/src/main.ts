import { keepYoungGenerationSmall, requireNode } from '#libs/kernel';

requireNode();
keepYoungGenerationSmall();
const { serve, parseConsoleConfig } = await import('#libs/platform');
const { createConsole } = await import('./app.js');

await serve({ read: parseConsoleConfig, create: createConsole, port: (config) => config.CONSOLE_PORT });
