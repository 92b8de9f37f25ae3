interface Types {
  string: string;
  int: number;
}

/** `docs/reference/signals.md` lists the attribute, and a test looks for it in real spans. */
export interface SpanAttribute {
  type: keyof Types;
  /** The spans that have the attribute. */
  on: string;
  meaning: string;
}

const attribute = <T extends keyof Types>(type: T, on: string, meaning: string) => ({ type, on, meaning });

const REQUEST = 'request';
const CALL = 'upstream call';
const STATEMENT = 'statement';
const ATTEMPT = 'request, job, claim, attempt';
const ONBOARDING = 'request, job, item, claim, attempt';

/** OpenTelemetry's semantic conventions define the names without `gangway`. */
const OF_SPANS = {
  'http.request.method': attribute('string', `${REQUEST}, ${CALL}`, 'The HTTP method.'),
  'http.route': attribute('string', REQUEST, 'The template of the route. Absent if there is no route.'),
  'http.response.status_code': attribute(
    'int',
    `${REQUEST}, ${CALL}`,
    'The status. Absent without an answer.',
  ),
  'url.scheme': attribute('string', REQUEST, '`http` or `https`, as the client sent it.'),
  'url.path': attribute('string', REQUEST, 'The path. It shows words and UUIDs only, and `*` for the rest.'),
  'url.template': attribute('string', CALL, 'The path of the provider’s route.'),
  'server.address': attribute('string', CALL, 'The host of the provider.'),
  'server.port': attribute('int', CALL, 'The port of the provider.'),
  'db.system.name': attribute('string', STATEMENT, '`postgresql`.'),
  'db.query.summary': attribute(
    'string',
    STATEMENT,
    'The name of the prepared statement. No text, no value.',
  ),
  'db.response.returned_rows': attribute(
    'int',
    STATEMENT,
    'How many rows came back. A refused claim has none.',
  ),
  'db.response.status_code': attribute('string', STATEMENT, 'The SQLSTATE of an error.'),
  'error.type': attribute(
    'string',
    'a span that did not succeed',
    'The problem’s code, the failure class, the HTTP status, the SQLSTATE, or the error’s name.',
  ),
  'gangway.onboarding.id': attribute('string', ONBOARDING, 'The onboarding.'),
  'gangway.integration': attribute('string', ATTEMPT, 'The integration.'),
  'gangway.step': attribute('string', ATTEMPT, '`init-otp`, `verify-otp` or `create-authenticators`.'),
  'gangway.attempt': attribute('int', ATTEMPT, 'The number of the attempt in its onboarding.'),
  'gangway.attempt.class': attribute('string', 'attempt', '`ok`, or the failure class, as in the metrics.'),
  'gangway.state': attribute('string', 'settle', 'The state that the settle led to.'),
} as const;

/** `OTEL_RESOURCE_ATTRIBUTES` adds more. */
const OF_RESOURCE = {
  'service.name': attribute('string', 'resource', '`OTEL_SERVICE_NAME`, or `gangway-` and the role.'),
  'service.version': attribute('string', 'resource', 'The version of Gangway.'),
  'service.instance.id': attribute('string', 'resource', 'The name of this run of a process, as in health.'),
} as const;

type OfSpans = typeof OF_SPANS;

export type SpanAttributes = { [Name in keyof OfSpans]?: Types[OfSpans[Name]['type']] };

export const SPAN_ATTRIBUTES: Readonly<Record<string, SpanAttribute>> = { ...OF_SPANS, ...OF_RESOURCE };
