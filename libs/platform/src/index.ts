export {
  CONFIG,
  ConfigError,
  consoleUrl,
  parseConfig,
  parseConsoleConfig,
  parseMigrationUrl,
  parseStoreConfig,
  type Config,
  type ConsoleConfig,
} from './config.js';
export type { RoleRule } from './console-settings.js';
export { configurationMarkdown } from './config-reference.js';
export { durationS, origin, setting } from './config-values.js';
export type { IntegrationConfig, ProviderSettings } from './integration-config.js';
export { fieldErrors, memberErrors, pointerOf, rule } from './field-errors.js';
export { createHttpApp } from './http.js';
export { Health, type Finding } from './health.js';
export { ProblemFilter, sendProblem } from './problem.filter.js';
export { KeyedHash } from './keyed-hash.js';
export { Log, errorOf } from './signals/log.js';
export { LOG_FIELDS, type LogField, type LogFields } from './signals/log-fields.js';
export { changeLogLevels, type LevelChanges } from './signals/log-levels.js';
export { LOG_LEVELS, LOG_MODULES, type LogLevel, type LogModule } from './signals/log-modules.js';
export { currentJob, outsideRequests } from './signals/current-work.js';
export { OWN_PAGES, SCRIPT_FILES, withPolicy } from './page-policy.js';
export type { PasskeyPolicy } from './passkey-policy.js';
export { PlatformModule } from './platform.module.js';
export { PROCESS_NAME } from './process-name.js';
export { nearestNames } from './similar-names.js';
export { Sealer, sealedBy } from './sealer.js';
export { serve } from './serve.js';
export { SPAN_ATTRIBUTES } from './signals/span-attributes.js';
export { Tracing, currentSpan, traced, type Span } from './signals/tracing.js';
export { METRICS, PROCESS_METRICS, type MetricDefinition } from './signals/metric-list.js';
export { Metrics, samplesBy, type Sample } from './signals/metrics.js';
export { signalsMarkdown } from './signals/signals-reference.js';
export { policyOf } from './security-headers.js';
