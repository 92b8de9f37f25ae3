/** The modules that write lines: the values of the field `context`. Four of them are Nest’s own. */
export const LOG_MODULES = [
  'ApiKeyLogin',
  'Audit',
  'EventFollower',
  'ExceptionsHandler',
  'Expiry',
  'IdempotencyKeys',
  'IdentityProvider',
  'IntegrationHealth',
  'IntegrationKnowledge',
  'JobProducer',
  'JobRunner',
  'KeyChecks',
  'LogLevels',
  'LostClaims',
  'Metrics',
  'NestApplication',
  'OnboardingCounts',
  'OperationWorker',
  'Operations',
  'OperatorAudit',
  'Probe',
  'QueueWatch',
  'Queues',
  'RedisLink',
  'RefusedLogins',
  'RequestLog',
  'Reseal',
  'RetryBudget',
  'RouterExplorer',
  'RoutesResolver',
  'RowWatch',
  'Serve',
  'Settlement',
  'SigningKeys',
  'StepRunner',
  'Steps',
  'Subjects',
  'Timelines',
  'UnknownRefusals',
  'UpstreamHealth',
] as const;

export type LogModule = (typeof LOG_MODULES)[number];

/** From the most to the least lines. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
