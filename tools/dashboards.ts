/**
 * The dashboards of `deploy/observability/grafana`. After a change, write them with `ACCEPT_DASHBOARDS=1 npm
 * run test:unit -- test/observability`.
 */

interface Panel {
  type: 'timeseries' | 'stat' | 'text' | 'table';
  title: string;
  /** In columns. A row has 24. */
  width: number;
  height: number;
  [member: string]: unknown;
}

type Query = readonly [expr: string, legend: string];
type Row = readonly [title: string, ...panels: Panel[]];

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };
const RATE = '$__rate_interval';

const targets = (queries: readonly Query[]) =>
  queries.map(([expr, legendFormat], index) => ({
    refId: String.fromCodePoint(65 + index),
    datasource: DATASOURCE,
    expr,
    legendFormat,
  }));

/** Makes a panel with lines over time. `note` is for its reader, `max` for its axis. */
function graph(
  title: string,
  unit: string,
  queries: Query[],
  more: { note?: string; max?: number } = {},
): Panel {
  const { note, max } = more;
  return {
    type: 'timeseries',
    title,
    ...(note && { description: note }),
    width: 8,
    height: 7,
    datasource: DATASOURCE,
    fieldConfig: {
      defaults: {
        unit,
        min: 0,
        ...(max !== undefined && { max }),
        custom: { fillOpacity: 10, showPoints: 'never', spanNulls: false },
      },
      overrides: [],
    },
    options: {
      legend: { displayMode: 'list', placement: 'bottom', showLegend: true },
      tooltip: { mode: 'multi', sort: 'desc' },
    },
    targets: targets(queries),
  };
}

/** Makes a panel with one number, which is red from `bad` on, or below `bad` if `isRedBelow` is true. */
function stat(title: string, unit: string, expr: string, bad: number | null, isRedBelow = false): Panel {
  const [low, high] = isRedBelow ? ['red', 'green'] : ['green', 'red'];
  const steps = bad === null ? [] : [{ color: high, value: bad }];
  return {
    type: 'stat',
    title,
    width: 3,
    height: 4,
    datasource: DATASOURCE,
    fieldConfig: {
      defaults: {
        unit,
        thresholds: {
          mode: 'absolute',
          steps: [{ color: bad === null ? 'blue' : low, value: null }, ...steps],
        },
      },
      overrides: [],
    },
    options: { colorMode: 'background', graphMode: 'none', reduceOptions: { calcs: ['lastNotNull'] } },
    targets: targets([[expr, '']]),
  };
}

/** @returns an expression that is 0 if there are no such onboardings, and absent if nothing was counted. */
const counted = (expr: string) => `sum(${expr}) or 0 * max(gangway_onboardings_counted_age_seconds)`;

const text = (title: string, height: number, content: string): Panel => ({
  type: 'text',
  title,
  width: 24,
  height,
  options: { mode: 'markdown', content },
});

const alerts: Panel = {
  type: 'table',
  title: 'Alerts that fire',
  width: 24,
  height: 6,
  datasource: DATASOURCE,
  fieldConfig: { defaults: {}, overrides: [] },
  options: { showHeader: true, sortBy: [{ displayName: 'severity', desc: false }] },
  targets: targets([['ALERTS{alertstate="firing"}', '']]).map((target) => ({
    ...target,
    format: 'table',
    instant: true,
  })),
  transformations: [
    {
      id: 'organize',
      options: {
        excludeByName: { Time: true, Value: true, __name__: true, alertstate: true },
        indexByName: { severity: 0, alertname: 1 },
      },
    },
  ],
};

/** A panel without room beside the others goes to the next line. */
function laidOut(rows: readonly Row[]): object[] {
  let y = 0;
  let id = 0;
  return rows.flatMap(([title, ...panels]) => {
    const heading = {
      id: ++id,
      type: 'row',
      title,
      collapsed: false,
      gridPos: { x: 0, y, w: 24, h: 1 },
      panels: [],
    };
    y += 1;
    let x = 0;
    let high = 0;
    const placed = panels.map(({ width: w, height: h, ...panel }) => {
      if (x + w > 24) {
        x = 0;
        y += high;
        high = 0;
      }
      const at = { id: ++id, ...panel, gridPos: { x, y, w, h } };
      x += w;
      high = Math.max(high, h);
      return at;
    });
    y += high;
    return [heading, ...placed];
  });
}

const datasource = { type: 'datasource', name: 'datasource', label: 'Prometheus', query: 'prometheus' };
/** @param metric a gauge with a series for each value of the label, also without traffic */
const labelVariable = (name: string, metric: string) => ({
  type: 'query',
  name,
  label: name,
  datasource: DATASOURCE,
  query: { query: `label_values(${metric}, ${name})`, refId: 'variable' },
  refresh: 2,
  sort: 1,
});
const textVariable = (name: string, label: string, value: string) => ({
  type: 'textbox',
  name,
  label,
  query: value,
  current: { text: value, value },
});

const dashboard = (uid: string, title: string, variables: object[], rows: readonly Row[]) => ({
  uid,
  title,
  tags: ['gangway'],
  schemaVersion: 41,
  editable: true,
  refresh: '10s',
  time: { from: 'now-3h', to: 'now' },
  timezone: 'browser',
  links: [{ type: 'dashboards', title: 'Gangway', tags: ['gangway'], asDropdown: true, keepTime: true }],
  templating: { list: [datasource, ...variables] },
  panels: laidOut(rows),
});

const ROUTE = '{{http_request_method}} {{http_route}}';
const ANSWERS = 'http_server_request_duration_seconds_count{http_route!~"/health/.*|/metrics"}';
const OURS = 'job=~"gangway-.+"';
const PROCESS = '{{job}} {{instance}}';

const overview = dashboard(
  'gangway-overview',
  'Gangway: overview',
  [],
  [
    [
      'Now',
      stat('Pages', 'short', 'count(ALERTS{alertstate="firing",severity="page"}) or vector(0)', 1),
      stat('Tickets', 'short', 'count(ALERTS{alertstate="firing",severity="ticket"}) or vector(0)', null),
      stat('Services up', 'short', 'sum(up{job="gangway-service"}) or vector(0)', 1, true),
      stat('Workers up', 'short', 'sum(up{job="gangway-worker"}) or vector(0)', 1, true),
      stat('Live onboardings', 'short', counted('max by (integration, state) (gangway_onboardings)'), null),
      stat('Parked', 'short', counted('max by (integration, reason) (gangway_onboardings_parked)'), 1),
      stat(
        'Outcome unknown',
        'short',
        counted('max by (integration, step) (gangway_onboardings_outcome_unknown)'),
        1,
      ),
      stat(
        'Wait for a retry',
        'short',
        counted('max by (integration, step) (gangway_onboardings_retrying)'),
        20,
      ),
      alerts,
    ],
    [
      'Requests',
      graph('Answers by status', 'reqps', [
        [`sum by (http_response_status_code) (rate(${ANSWERS}[${RATE}]))`, '{{http_response_status_code}}'],
      ]),
      graph('Share of 5xx by route', 'percentunit', [['gangway:http_errors:ratio_rate5m > 0', ROUTE]]),
      graph('Limits hit', 'reqps', [
        [`sum by (limit) (rate(gangway_limits_hit_total[${RATE}]))`, '{{limit}}'],
      ]),
      graph('Reads: p99 by route', 's', [
        ['gangway:http_duration_seconds:p99_5m{http_request_method=~"GET|HEAD"}', ROUTE],
      ]),
      graph(
        'Commands: p90 by route',
        's',
        [['gangway:http_duration_seconds:p90_5m{http_request_method!~"GET|HEAD"}', ROUTE]],
        { note: 'A command waits for its provider, for 10 s by default.' },
      ),
      graph('Event streams', 'short', [
        ['sum by (instance) (gangway_event_streams)', '{{instance}}: streams'],
        ['sum by (instance) (gangway_event_stream_onboardings)', '{{instance}}: onboardings'],
      ]),
    ],
    [
      'Onboardings',
      graph('By state', 'short', [
        ['sum by (state) (max by (integration, state) (gangway_onboardings))', '{{state}}'],
      ]),
      graph('Steps that ended', 'ops', [
        [`sum by (signal) (rate(gangway_signals_total[${RATE}]))`, '{{signal}}'],
      ]),
      graph('In trouble', 'short', [
        [
          'max by (integration, reason) (gangway_onboardings_parked) > 0',
          '{{integration}}: parked, {{reason}}',
        ],
        [
          'max by (integration, step) (gangway_onboardings_outcome_unknown) > 0',
          '{{integration}}: unknown, {{step}}',
        ],
        [
          'max by (integration, step) (gangway_onboardings_retrying) > 0',
          '{{integration}}: retry of {{step}}',
        ],
      ]),
      graph('The oldest', 's', [
        ['max by (integration, state) (gangway_onboardings_oldest_seconds)', '{{integration}} {{state}}'],
      ]),
      graph('What is late', 's', [
        ['max(gangway_retry_lag_seconds)', 'retries'],
        ['max(gangway_expiry_lag_seconds)', 'expiry'],
      ]),
      graph('Counting', 's', [
        ['min(gangway_onboardings_counted_age_seconds)', 'age of the counts'],
        ['max(gangway_onboardings_count_duration_seconds)', 'duration of a count'],
      ]),
    ],
    [
      'Processes',
      graph('CPU', 'percentunit', [[`rate(process_cpu_seconds_total{${OURS}}[${RATE}])`, PROCESS]]),
      graph('Memory', 'bytes', [[`process_resident_memory_bytes{${OURS}}`, PROCESS]]),
      graph('Event loop: p99 of the lag', 's', [[`nodejs_eventloop_lag_p99_seconds{${OURS}}`, PROCESS]]),
      graph('Connections to PostgreSQL', 'short', [
        [
          'sum by (job, instance) (db_client_connection_count{db_client_connection_state="used"})',
          `${PROCESS}: used`,
        ],
        ['db_client_connection_pending_requests > 0', `${PROCESS}: statements that wait`],
        ['min(db_client_connection_max)', 'most for a process'],
      ]),
      graph('Builds', 'short', [['count by (role, version) (gangway_build_info)', '{{role}} {{version}}']]),
      graph('Starts', 'short', [[`changes(process_start_time_seconds{${OURS}}[15m])`, PROCESS]], {
        note: 'How often a process started again within 15 minutes.',
      }),
    ],
  ],
);

const ONE = 'integration="$integration"';
const DURATIONS = `sum by (step, le) (rate(gangway_attempt_duration_seconds_bucket{${ONE}}[${RATE}]))`;
const CERTIFICATE =
  'gangway_credential_expiry_timestamp_seconds{kind="upstream_certificate",name="$integration"}';

const integration = dashboard(
  'gangway-integration',
  'Gangway: integration',
  [labelVariable('integration', 'gangway_integration_degraded')],
  [
    [
      'Now',
      stat('Degraded', 'bool_yes_no', `max(gangway_integration_degraded{${ONE}})`, 1),
      stat('Key refused', 'bool_yes_no', `max(gangway_integration_refused{${ONE}})`, 1),
      stat('Open breakers', 'short', `max(gangway_integration_breakers_open{${ONE}})`, 1),
      stat('Paused', 'bool_yes_no', `max(gangway_integration_paused{${ONE}})`, 1),
      stat('Parked', 'short', counted(`max by (reason) (gangway_onboardings_parked{${ONE}})`), 1),
      stat(
        'Outcome unknown',
        'short',
        counted(`max by (step) (gangway_onboardings_outcome_unknown{${ONE}})`),
        1,
      ),
      stat('Clocks apart', 's', `max(abs(gangway_clock_skew_seconds{${ONE}}))`, 10),
      stat('Certificate', 's', `max(${CERTIFICATE}) - time()`, 14 * 86_400, true),
    ],
    [
      'Attempts',
      graph('By class', 'ops', [
        [`sum by (class) (rate(gangway_attempt_duration_seconds_count{${ONE}}[${RATE}]))`, '{{class}}'],
      ]),
      graph(
        'Share that failed, by step',
        'percentunit',
        [
          [
            `sum by (step) (rate(gangway_attempt_duration_seconds_count{${ONE},class!="ok"}[${RATE}])) / ` +
              `sum by (step) (rate(gangway_attempt_duration_seconds_count{${ONE}}[${RATE}]))`,
            '{{step}}',
          ],
        ],
        { max: 1 },
      ),
      graph('Duration of a call', 's', [
        [`histogram_quantile(0.5, ${DURATIONS})`, '{{step}}: p50'],
        [`histogram_quantile(0.99, ${DURATIONS})`, '{{step}}: p99'],
      ]),
      graph('What follows', 'ops', [
        [`sum by (signal) (rate(gangway_signals_total{${ONE}}[${RATE}]))`, '{{signal}}'],
      ]),
      graph('Refusals with an unknown text', 'short', [
        [`sum by (step) (increase(gangway_unknown_refusals_total{${ONE}}[1h]))`, '{{step}}, within an hour'],
      ]),
      graph('Failures in a row', 'short', [
        [`max(gangway_integration_failures_in_a_row{${ONE}})`, 'failures'],
      ]),
    ],
    [
      'Guards',
      graph('Breaker by process', 'short', [[`gangway_breaker_open{${ONE}}`, PROCESS]], {
        note: '1 is open, 0.5 half open, 0 closed.',
        max: 1,
      }),
      graph('Clocks apart', 's', [[`abs(gangway_clock_skew_seconds{${ONE}})`, PROCESS]]),
      graph('Signing key in use', 'short', [[`gangway_signing_key_in_use{${ONE}}`, PROCESS]]),
    ],
    [
      'Onboardings',
      graph('Wait for a retry', 'short', [
        [`max by (step) (gangway_onboardings_retrying{${ONE}})`, '{{step}}'],
      ]),
      graph('Retries put off by the budget', 'ops', [
        [`sum(rate(gangway_retries_put_off_total{${ONE}}[${RATE}]))`, 'retries'],
      ]),
      graph('For how long the oldest waits', 's', [
        [`max by (step) (gangway_onboardings_retrying_oldest_seconds{${ONE}})`, 'retry of {{step}}'],
        [`max by (reason) (gangway_onboardings_parked_oldest_seconds{${ONE}})`, 'parked, {{reason}}'],
        [`max by (step) (gangway_onboardings_outcome_unknown_oldest_seconds{${ONE}})`, 'unknown, {{step}}'],
      ]),
      graph('Parked', 'short', [[`max by (reason) (gangway_onboardings_parked{${ONE}})`, '{{reason}}']]),
      graph('Outcome unknown', 'short', [
        [`max by (step) (gangway_onboardings_outcome_unknown{${ONE}})`, '{{step}}'],
      ]),
      graph('By state', 'short', [[`max by (state) (gangway_onboardings{${ONE}})`, '{{state}}']]),
    ],
  ],
);

const QUEUE = 'queue="$queue"';

const queues = dashboard(
  'gangway-queues',
  'Gangway: queues',
  [labelVariable('queue', 'gangway_queue_paused')],
  [
    [
      'All queues',
      graph('Jobs that wait', 'short', [
        ['max by (queue) (gangway_queue_jobs{state="waiting"})', '{{queue}}'],
      ]),
      graph('The oldest job that waits', 's', [
        ['max by (queue) (gangway_queue_oldest_waiting_seconds)', '{{queue}}'],
      ]),
      graph('Paused', 'bool_yes_no', [['max by (queue) (gangway_queue_paused)', '{{queue}}']], { max: 1 }),
      graph('Since the last job ended', 's', [
        ['max by (queue) (gangway_queue_last_finished_seconds)', '{{queue}}'],
      ]),
      graph('Redis takes writes', 'bool_yes_no', [['gangway_redis_writable', `${PROCESS}: {{connection}}`]], {
        note: 'Without Redis, all other graphs of this page are empty.',
        max: 1,
      }),
      graph('A worker runs jobs', 'bool_yes_no', [['max(gangway_check_up{check="worker"})', 'canary']], {
        max: 1,
      }),
    ],
    [
      'Queue $queue',
      graph('Jobs by state', 'short', [[`max by (state) (gangway_queue_jobs{${QUEUE}})`, '{{state}}']]),
      graph('Failed jobs', 'short', [
        [
          `sum by (job_name) (increase(gangway_jobs_failed_total{${QUEUE}}[10m]))`,
          '{{job_name}}, within 10 min',
        ],
      ]),
      graph('Lag', 's', [
        [`max(gangway_queue_oldest_waiting_seconds{${QUEUE}})`, 'oldest job'],
        ['max(gangway_retry_lag_seconds)', 'oldest retry that is due'],
        ['max(gangway_expiry_lag_seconds)', 'oldest expiry that is due'],
      ]),
    ],
  ],
);

/** The tag of the traces in Jaeger, encoded for a URL. */
const TAGS = encodeURIComponent('{"gangway.onboarding.id":"ID"}').replace('ID', '${onboarding}');

const LINKS = [
  '- [Its page in the console](${console}/onboardings/${onboarding}): state, timeline, what you can do.',
  '- Command line: `gangway onboardings show ${onboarding}`',
  '- Its log lines have `onboardingId` `${onboarding}`. In Loki:',
  '  `{service=~"gangway.*"} | json | onboardingId="${onboarding}"`',
  `- Its [traces in Jaeger](\${jaeger}/search?service=gangway-service&lookback=2d&tags=${TAGS}). In Tempo:`,
  '  `{ span.gangway.onboarding.id = "${onboarding}" }`',
  '',
  'The lines of a request have the `traceId` that the caller got as `X-Request-Id`.',
  'Metrics do not know a single onboarding.',
  '',
].join('\n');

const onboarding = dashboard(
  'gangway-onboarding',
  'Gangway: one onboarding',
  [
    textVariable('onboarding', 'Onboarding (id)', '00000000-0000-0000-0000-000000000000'),
    textVariable('console', 'Console', 'http://localhost:3400'),
    textVariable('jaeger', 'Jaeger', 'http://localhost:16686'),
  ],
  [
    ['Links', text('Onboarding $onboarding', 9, LINKS)],
    [
      'Meanwhile',
      graph('In trouble', 'short', [
        [
          'max by (integration, reason) (gangway_onboardings_parked) > 0',
          '{{integration}}: parked, {{reason}}',
        ],
        [
          'max by (integration, step) (gangway_onboardings_outcome_unknown) > 0',
          '{{integration}}: unknown, {{step}}',
        ],
      ]),
      graph('Integrations that are degraded', 'bool_yes_no', [
        ['max by (integration) (gangway_integration_degraded)', '{{integration}}'],
      ]),
      graph('What is late', 's', [
        ['max(gangway_retry_lag_seconds)', 'retries'],
        ['max(gangway_expiry_lag_seconds)', 'expiry'],
      ]),
    ],
  ],
);

export const DASHBOARDS = {
  'overview.json': overview,
  'integration.json': integration,
  'queues.json': queues,
  'onboarding.json': onboarding,
} as const;
