import { keepHeapSmall, requireNode } from '#libs/kernel';

requireNode();
keepHeapSmall();
const { serve, parseConsoleConfig } = await import('#libs/platform');
const { createConsole } = await import('./app.js');

await serve({ read: parseConsoleConfig, create: createConsole, port: (config) => config.CONSOLE_PORT });
