interface Types {
  string: string;
  number: number;
  boolean: boolean;
  object: object;
  error: Error;
}

/** `docs/reference/signals.md` lists the field, and a test looks for it in real lines. */
export interface LogField {
  type: keyof Types;
  meaning: string;
  /** The lines that have the field. */
  on: string;
}

const field = <T extends keyof Types>(type: T, meaning: string, on: string) => ({ type, meaning, on });

const BY_LOGGER = {
  level: field('number', '10 trace, 20 debug, 30 info, 40 warn, 50 error, 60 fatal.', 'Every line.'),
  time: field('number', 'When the line was written, in milliseconds since 1970.', 'Every line.'),
  pid: field('number', 'The process id.', 'Every line.'),
  hostname: field('string', 'The name of the host or container.', 'Every line.'),
  msg: field('string', 'A sentence for people. It may change with each version.', 'Every line.'),
  context: field(
    'string',
    'The module that wrote the line. `gangway logs level` takes this name.',
    'Every line.',
  ),
  req: field(
    'object',
    '`method` and `path` of the request. The path shows words and UUIDs only.',
    'Every line of a request, except the line of its answer.',
  ),
  trace_id: field(
    'string',
    'The OpenTelemetry trace, 32 hex digits.',
    'Every line while a sampled span is active.',
  ),
  span_id: field(
    'string',
    'The OpenTelemetry span, 16 hex digits.',
    'Every line while a sampled span is active.',
  ),
  trace_flags: field(
    'string',
    'The flags of the trace, 2 hex digits: `01`.',
    'Every line while a sampled span is active.',
  ),
} as const;

const OWN = {
  traceId: field(
    'string',
    'The id of the request, as in `X-Request-Id` and in the problem.',
    'Every line of a request.',
  ),
  traceparent: field('string', 'The W3C trace context of the answer.', 'The line of an answer.'),
  caller: field('string', 'The caller of the request.', 'Every line of a request with a known caller.'),
  operator: field(
    'string',
    'The operator at the console.',
    'Every line of a request of a logged-in operator.',
  ),
  address: field('string', 'The client’s address.', 'Every line of a request.'),

  status: field('number', 'The HTTP status of our answer.', 'The line of an answer.'),
  method: field('string', 'The HTTP method.', 'The line of an answer.'),
  route: field('string', 'The template of the route.', 'The line of an answer, if a route matches.'),
  path: field('string', 'The path. It shows words and UUIDs only.', 'The line of an answer without a route.'),
  durationMs: field('number', 'From the request’s head to the end of the answer.', 'The line of an answer.'),
  code: field('string', 'The code of a problem, or of an error.', 'The line of a problem; a failed login.'),
  retryable: field('boolean', 'Whether the same request may succeed later.', 'The line of a problem.'),
  replayed: field('boolean', 'The answer was kept under the idempotency key.', 'A repeated problem.'),
  detail: field('string', 'What is wrong, in words.', 'The line of a 5xx answer.'),
  reason: field(
    'string',
    'Why a token was refused, or why an onboarding is parked.',
    'A refused token; a parked onboarding.',
  ),
  more: field('number', 'How many such lines were not written.', 'The end of a flood of problems.'),
  err: field('error', '`type`, `message`, `code` and `stack` of an error.', 'An error that needs its stack.'),

  onboardingId: field('string', 'The onboarding.', 'Every line about one onboarding.'),
  integration: field('string', 'The integration.', 'Every line about one integration.'),
  step: field(
    'string',
    '`init-otp`, `verify-otp` or `create-authenticators`; `probe`.',
    'Every line about one step.',
  ),
  attempt: field('number', 'The attempt’s number in its onboarding.', 'Every line about one attempt.'),
  event: field(
    'string',
    '`parked`, `outcome_lost` or `unknown_refusal`.',
    'The line of one of these events.',
  ),
  upstreamStatus: field(
    'number',
    'The HTTP status of the provider’s answer. Null if there was no answer.',
    'A parked onboarding; a refused key; an unknown refusal.',
  ),
  class: field('string', '`ok`, the failure class, `lapsed` or `out_of_time`.', 'The end of an attempt.'),
  evidence: field(
    'object',
    '`bytesSent`, `headersSeen`, `status`, `durationMs`.',
    'A call of unknown outcome.',
  ),
  refusal: field('string', 'A refusal text without personal data.', '`event` is `unknown_refusal`.'),

  process: field(
    'string',
    'The name of this run of a process, as in shared health.',
    'Breaker and access lines.',
  ),
  breaker: field('string', '`closed`, `half_open` or `open`.', 'The breaker changed.'),
  access: field('string', '`refused` or `accepted`.', 'The provider refuses or accepts our key or clock.'),
  afterS: field('number', 'For how many seconds the access was refused.', '`access` is `accepted`.'),
  health: field('string', '`degraded` or `ok`.', 'The health of an integration or queue changed.'),
  keyFrom: field('string', 'The fingerprint of the refused signing key.', 'Another signing key is in use.'),
  keyTo: field(
    'string',
    'The fingerprint of the signing key that signs now.',
    'Another signing key is in use.',
  ),

  queue: field('string', 'The queue.', 'Every line of a job, and every line about one queue.'),
  job: field('string', 'The name of the job or schedule.', 'Every line of a job.'),
  outcome: field('object', 'The result of a job, as on the queue board.', 'The end of a job.'),
  operationId: field('string', 'The operation.', 'Every line about one operation.'),
  redis: field('string', 'The name of the connection to Redis.', 'A line about a connection to Redis.'),
  repeated: field('number', 'How many equal lines were not written before.', 'A line that repeats often.'),

  audit: field(
    'object',
    'The event of the audit: `action`, `actor` or `operator`, `target`, …',
    'Audit lines.',
  ),
  anchored: field(
    'object',
    'A list of `id`, `seq` and `digest`, one for each timeline.',
    'Timelines were anchored.',
  ),
  oauth: field('string', 'The error code of the identity provider.', 'A login failed.'),
  apiKeyId: field('string', 'The id of an API key. It is no secret.', 'The use of a key was not recorded.'),
  count: field('number', 'How many values are sealed with a missing key.', 'The line of the reseal.'),
  metric: field('string', 'The name of a metric.', 'A metric could not be read.'),
  levels: field('object', 'The changed levels by module.', 'Levels were changed at run time.'),
} as const;

type Own = typeof OWN;

export type LogFields = {
  [Name in keyof Own]?: Types[Own[Name]['type']] | null | undefined;
};

export const LOG_FIELDS: Readonly<Record<string, LogField>> = { ...BY_LOGGER, ...OWN };
