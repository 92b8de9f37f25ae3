import { LOG_FIELDS } from './log-fields.js';
import { METRICS, PROCESS_METRICS, type MetricDefinition } from './metric-list.js';
import { SPAN_ATTRIBUTES } from './span-attributes.js';

/** @returns the content of docs/reference/signals.md. */
export function signalsMarkdown(): string {
  const described = (fields: Readonly<Record<string, { type: string; on: string; meaning: string }>>) =>
    table(
      ['Name', 'Type', 'On', 'Meaning'],
      Object.entries(fields).map(([name, { type, on, meaning }]) => [code(name), type, on, meaning]),
    );
  return [
    INTRODUCTION,
    table(
      ['Name', 'Type', 'Unit', 'Labels', 'Processes', 'Meaning', 'Present'],
      Object.entries<MetricDefinition>(METRICS).map(([name, metric]) => rowOf(name, metric)),
    ),
    PROCESS_INTRODUCTION,
    table(
      ['Name', 'Meaning'],
      Object.entries(PROCESS_METRICS).map(([name, meaning]) => [code(name), meaning]),
    ),
    LOG_INTRODUCTION,
    described(LOG_FIELDS),
    SPAN_INTRODUCTION,
    described(SPAN_ATTRIBUTES),
    '',
  ].join('\n\n');
}

const INTRODUCTION = `# Signals

What Gangway tells about itself: metrics, log lines and spans. No signal contains a secret, a contact or
a caller's data.

## Metrics

Each process (service, worker, console) serves \`GET /metrics\` for Prometheus.

- A metric is *shared* if all processes read the same value from PostgreSQL or Redis. Use
  \`max by (…)\` for it. Use \`sum by (…)\` for the others.
- The values of labels come from fixed sets or from the configuration.
- The buckets of a histogram are in \`le\`.`;

const PROCESS_INTRODUCTION = `### Metrics of the process

Each process has these metrics of Node.js, under the names that common dashboards use.`;

const LOG_INTRODUCTION = `## Log fields

Each line of the log is a JSON object.`;

const SPANS = table(
  ['Span', 'Name', 'Kind', 'What it covers'],
  [
    [
      'request',
      '`POST /v1/onboardings` …',
      'server',
      'From the head of the request to the end of the answer.',
    ],
    ['job', '`job verify-otp` …', 'consumer', 'A later attempt. Its trace has a link to the request.'],
    [
      'item',
      '`operation resend` …',
      'consumer',
      'An item of an operation. Its trace has a link to the start.',
    ],
    ['claim', '`claim`', 'internal', 'The claim of an attempt.'],
    ['attempt', '`attempt verify-otp` …', 'internal', 'The call and its settle. It may outlast the request.'],
    ['sign', '`sign`', 'internal', 'The signature of a request to the provider.'],
    [
      'upstream call',
      '`POST /v1/submit/otp-auth` …',
      'client',
      'One request, with its wait for a connection.',
    ],
    ['settle', '`settle`', 'internal', 'The settle of an attempt, with its waits for PostgreSQL.'],
    ['statement', '`gw_claim_verify` …', 'client', 'One statement, with its wait for a connection.'],
  ],
);

const SPAN_INTRODUCTION = `## Span attributes

Traces are off unless \`OTEL_EXPORTER_OTLP_ENDPOINT\` is set. A trace consists of these spans:

${SPANS}

Requests for health and metrics, the upkeep of the worker, and jobs without an attempt are not traced. The
provider gets no \`traceparent\`.`;

function rowOf(name: string, metric: MetricDefinition): string[] {
  const { kind, help, labels = [], values, in: processes, shared, when } = metric;
  const known = values ? `: ${values.map(code).join(', ')}` : '';
  return [
    code(name),
    shared ? `${kind}, shared` : kind,
    unitOf(name),
    labels.length > 0 ? labels.map(code).join(', ') + known : '–',
    processes?.join(', ') ?? 'all',
    help,
    when ?? 'always',
  ];
}

const unitOf = (name: string): string => /_(seconds|bytes)(?=_total$|$)/.exec(name)?.[1] ?? '–';

const code = (text: string) => `\`${text}\``;

function table(head: string[], rows: string[][]): string {
  if (rows.length === 0) return 'There are none yet.';
  const line = (cells: string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
