export { BearerGuard } from './bearer.guard.js';
export { CONFIG, ConfigError, parseConfig, type Config, type IntegrationConfig } from './config.js';
export { createHttpApp } from './http.js';
export { Health, type HealthCheck } from './health.js';
export { sendProblem } from './problem.filter.js';
export { PlatformModule } from './platform.module.js';
export { waitOf } from './prefer.js';
export { Sealer } from './sealer.js';
export { serve } from './serve.js';
