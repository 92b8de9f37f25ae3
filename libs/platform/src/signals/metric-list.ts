import { LIMITS } from '#libs/kernel';
import type { AppRole } from '../process-name.js';

export interface MetricDefinition {
  kind: 'counter' | 'gauge' | 'histogram';
  /** For `# HELP` and the reference page. The metric's name contains the unit. */
  help: string;
  /** The values come from a fixed set or from the configuration. They are no ids, addresses or texts. */
  labels?: readonly string[];
  /** All values of a counter's only label. The counter starts at 0 for each. */
  values?: readonly string[];
  buckets?: readonly number[];
  /** The processes that have the metric; all of them by default. */
  in?: readonly AppRole[];
  /** All processes show the same value, from PostgreSQL or Redis: use `max by (…)`, not `sum`. */
  shared?: true;
  /** When the metric has a series; by default always. */
  when?: string;
}

const API: readonly AppRole[] = ['service'];
const APPS: readonly AppRole[] = ['service', 'worker'];
const COUNTED = 'once the onboardings have been counted';
const REDIS = 'while Redis can be read';

export const METRICS = {
  gangway_build_info: {
    kind: 'gauge',
    help: 'Always 1. Its labels say which build the process runs, and in which role',
    labels: ['version', 'role', 'node_version'],
  },
  http_server_request_duration_seconds: {
    kind: 'histogram',
    help:
      'Answered requests by method, template of the route (empty if there is none) and status. ' +
      'An event stream counts when it ends',
    labels: ['http_request_method', 'http_route', 'http_response_status_code'],
    // OpenTelemetry's semantic conventions advise these buckets.
    buckets: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
    when: 'after the first answer',
  },
  gangway_attempt_duration_seconds: {
    kind: 'histogram',
    help: 'Attempts by integration, step and class: ok, or the class of the failure',
    labels: ['integration', 'step', 'class'],
    buckets: [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    in: APPS,
    when: 'after the first attempt',
  },
  gangway_signals_total: {
    kind: 'counter',
    help: 'State changes by the signal that an attempt ended with',
    labels: ['integration', 'signal'],
    in: APPS,
    when: 'after the first signal',
  },
  gangway_retries_put_off_total: {
    kind: 'counter',
    help: 'Retries that the retry budget made wait',
    labels: ['integration'],
    in: APPS,
  },
  gangway_unknown_refusals_total: {
    kind: 'counter',
    help: 'Refusals of the provider whose text Gangway does not know',
    labels: ['integration', 'step'],
    in: APPS,
  },

  gangway_onboardings: {
    kind: 'gauge',
    help: 'Live onboardings by integration and written state',
    labels: ['integration', 'state'],
    shared: true,
    when: COUNTED,
  },
  gangway_onboardings_oldest_seconds: {
    kind: 'gauge',
    help: 'Age of the oldest live onboarding, since it began',
    labels: ['integration', 'state'],
    shared: true,
    when: 'while there is such an onboarding',
  },
  gangway_onboardings_retrying: {
    kind: 'gauge',
    help: 'Onboardings whose step waits for its next try. Parked ones do not count',
    labels: ['integration', 'step'],
    shared: true,
    when: 'while there is such an onboarding',
  },
  gangway_onboardings_retrying_oldest_seconds: {
    kind: 'gauge',
    help: 'For how long the oldest retry has waited, since its last answer',
    labels: ['integration', 'step'],
    shared: true,
    when: 'while there is such an onboarding',
  },
  gangway_onboardings_parked: {
    kind: 'gauge',
    help: 'Parked onboardings by the reason: they wait until an operator has repaired the integration',
    labels: ['integration', 'reason'],
    shared: true,
    when: 'while there is such an onboarding',
  },
  gangway_onboardings_parked_oldest_seconds: {
    kind: 'gauge',
    help: 'For how long the oldest parked onboarding is parked',
    labels: ['integration', 'reason'],
    shared: true,
    when: 'while there is such an onboarding',
  },
  gangway_onboardings_outcome_unknown: {
    kind: 'gauge',
    help: 'Live onboardings with an unknown outcome: they wait for a decision',
    labels: ['integration', 'step'],
    shared: true,
    when: 'while there is such an onboarding',
  },
  gangway_onboardings_outcome_unknown_oldest_seconds: {
    kind: 'gauge',
    help: 'For how long the oldest unknown outcome waits for a decision',
    labels: ['integration', 'step'],
    shared: true,
    when: 'while there is such an onboarding',
  },
  gangway_onboardings_counted_age_seconds: {
    kind: 'gauge',
    help: 'Age of the counts of onboardings and of both lags. It grows while no process can count',
    shared: true,
    when: COUNTED,
  },
  gangway_onboardings_count_duration_seconds: {
    kind: 'gauge',
    help:
      'How long the statements of the last count took, or of the running one, if longer. Pauses of fifty ' +
      'times as long follow them',
    shared: true,
    when: COUNTED,
  },
  gangway_onboardings_idle_counted_age_seconds: {
    kind: 'gauge',
    help: 'Age of the counts of states that wait for the user. If there are many, they are counted seldom',
    shared: true,
    when: COUNTED,
  },
  gangway_expiry_lag_seconds: {
    kind: 'gauge',
    help: 'For how long the oldest passed deadline is not written. 0 if all are written',
    shared: true,
    when: COUNTED,
  },
  gangway_retry_lag_seconds: {
    kind: 'gauge',
    help:
      'For how long the oldest due retry waits. 0 if none is due. Parked ones, running ones and those of a ' +
      'paused integration do not count',
    shared: true,
    when: COUNTED,
  },

  gangway_queue_jobs: {
    kind: 'gauge',
    help: 'Jobs by state: waiting, active, delayed, failed',
    labels: ['queue', 'state'],
    shared: true,
    when: REDIS,
  },
  gangway_jobs_failed_total: {
    kind: 'counter',
    help:
      'Jobs that failed, and failed runs of a schedule without a job. Jobs without a handler have ' +
      'the name `unknown`',
    labels: ['queue', 'job_name'],
    in: ['worker'],
  },
  gangway_queue_paused: {
    kind: 'gauge',
    help: 'Whether the queue is paused',
    labels: ['queue'],
    shared: true,
    when: REDIS,
  },
  gangway_queue_oldest_waiting_seconds: {
    kind: 'gauge',
    help: 'For how long the oldest waiting job could be taken',
    labels: ['queue'],
    shared: true,
    when: REDIS,
  },
  gangway_queue_last_finished_seconds: {
    kind: 'gauge',
    help: 'For how long no job of the queue has ended. NaN if none has',
    labels: ['queue'],
    shared: true,
    when: REDIS,
  },
  gangway_redis_writable: {
    kind: 'gauge',
    help: 'Whether Redis takes the writes of a connection',
    labels: ['connection'],
  },
  gangway_check_up: {
    kind: 'gauge',
    help: 'Whether a check of `/health/ready` is up. A scrape runs the checks',
    labels: ['check'],
  },

  gangway_integration_degraded: {
    kind: 'gauge',
    help: 'Whether the integration is not in order, as all processes see it',
    labels: ['integration'],
    in: APPS,
    shared: true,
  },
  gangway_integration_breakers_open: {
    kind: 'gauge',
    help: 'Processes whose breaker is not closed',
    labels: ['integration'],
    in: APPS,
    shared: true,
  },
  gangway_integration_refused: {
    kind: 'gauge',
    help: 'Whether the provider refuses our key or clock',
    labels: ['integration'],
    in: APPS,
    shared: true,
  },
  gangway_integration_failures_in_a_row: {
    kind: 'gauge',
    help: 'Calls of one kind that failed since one succeeded',
    labels: ['integration'],
    in: APPS,
    shared: true,
  },
  gangway_integration_paused: {
    kind: 'gauge',
    help: 'Whether an operator has paused the integration',
    labels: ['integration'],
    in: APPS,
    shared: true,
  },
  gangway_breaker_open: {
    kind: 'gauge',
    help: 'State of the circuit breaker in this process: 1 open, 0.5 half open, 0 closed',
    labels: ['integration'],
    in: APPS,
  },
  gangway_signing_key_in_use: {
    kind: 'gauge',
    help: 'Number of the key that signs first: 1, or 2 during a key change',
    labels: ['integration'],
    in: APPS,
    when: 'if an integration signs with keys',
  },
  gangway_clock_skew_seconds: {
    kind: 'gauge',
    help: 'Distance between the clock of this process and the clock of the provider',
    labels: ['integration'],
    in: APPS,
  },

  db_client_connection_count: {
    kind: 'gauge',
    help: 'Open connections to PostgreSQL by state: used, idle',
    labels: ['db_client_connection_state'],
  },
  db_client_connection_max: {
    kind: 'gauge',
    help: 'How many connections to PostgreSQL the process may open',
  },
  db_client_connection_pending_requests: {
    kind: 'gauge',
    help: 'Statements that wait for a connection',
  },
  gangway_event_streams: {
    kind: 'gauge',
    help: 'Open event streams',
    in: API,
  },
  gangway_event_stream_onboardings: {
    kind: 'gauge',
    help: 'Onboardings that the open event streams follow',
    in: API,
  },
  gangway_limits_hit_total: {
    kind: 'counter',
    help: 'Requests that were refused because of a limit',
    labels: ['limit'],
    values: LIMITS,
  },
  gangway_console_emergency_logins_total: {
    kind: 'counter',
    help: 'Logins to the console with the emergency password by outcome',
    labels: ['outcome'],
    values: ['done', 'refused', 'failed'],
    in: ['console'],
  },
  gangway_sealing_key_uses: {
    kind: 'gauge',
    help: 'Values that only this sealing key opens, as the last reseal of this worker counted them',
    labels: ['key'],
    in: APPS,
    when: 'in a worker, after its first reseal',
  },
  gangway_credential_expiry_timestamp_seconds: {
    kind: 'gauge',
    help:
      'When a credential ends, in seconds since the epoch. `api_key`: the first used API key of a caller ' +
      'to expire, by the caller, for at most ten callers; not keys made for a month or less. ' +
      '`upstream_certificate`: the TLS certificate of an integration, by its name',
    labels: ['kind', 'name'],
    in: APPS,
    when: 'once such an end is known',
  },
} as const satisfies Record<string, MetricDefinition>;

type List = typeof METRICS;
export type MetricName = keyof List;
type NameOf<K extends MetricDefinition['kind']> = {
  [N in MetricName]: List[N]['kind'] extends K ? N : never;
}[MetricName];
export type CounterName = NameOf<'counter'>;
export type GaugeName = NameOf<'gauge'>;
export type HistogramName = NameOf<'histogram'>;

export type LabelOf<N extends MetricName> = List[N] extends { labels: readonly (infer L extends string)[] }
  ? L
  : never;

/** Metrics of prom-client, under the names that common dashboards use. */
export const PROCESS_METRICS = {
  process_cpu_user_seconds_total: 'CPU time of the process in user mode',
  process_cpu_system_seconds_total: 'CPU time of the process in the kernel',
  process_cpu_seconds_total: 'CPU time of the process in user mode and in the kernel',
  process_start_time_seconds: 'When the process started, in seconds since the epoch',
  process_resident_memory_bytes: 'Resident memory',
  process_virtual_memory_bytes: 'Virtual memory (Linux)',
  process_heap_bytes: 'Data segment (Linux)',
  process_open_fds: 'Open file descriptors (Linux)',
  process_max_fds: 'How many file descriptors the process may open (Linux)',
  nodejs_eventloop_lag_seconds: 'How late the event loop is at the scrape',
  nodejs_eventloop_lag_min_seconds: 'Lowest lag since the last scrape',
  nodejs_eventloop_lag_max_seconds: 'Highest lag since the last scrape',
  nodejs_eventloop_lag_mean_seconds: 'Mean lag since the last scrape',
  nodejs_eventloop_lag_stddev_seconds: 'Standard deviation of the lag since the last scrape',
  nodejs_eventloop_lag_p50_seconds: 'Median lag since the last scrape',
  nodejs_eventloop_lag_p90_seconds: '90th percentile of the lag since the last scrape',
  nodejs_eventloop_lag_p99_seconds: '99th percentile of the lag since the last scrape',
  nodejs_active_resources: 'What keeps the event loop alive, by `type`',
  nodejs_active_resources_total: 'Everything that keeps the event loop alive',
  nodejs_active_handles: 'Open handles by `type`: sockets, servers, timers',
  nodejs_active_handles_total: 'All open handles',
  nodejs_active_requests: 'Running requests to the system by `type`',
  nodejs_active_requests_total: 'All running requests to the system',
  nodejs_heap_size_total_bytes: 'Size of the JavaScript heap',
  nodejs_heap_size_used_bytes: 'Used part of the JavaScript heap',
  nodejs_external_memory_bytes: 'Memory of buffers outside of the heap',
  nodejs_heap_space_size_total_bytes: 'Size of each `space` of the heap',
  nodejs_heap_space_size_used_bytes: 'Used part of each `space` of the heap',
  nodejs_heap_space_size_available_bytes: 'Free part of each `space`',
  nodejs_version_info: 'Always 1. Its labels say the version of Node.js',
  nodejs_gc_duration_seconds: 'Histogram of garbage collections by `kind`',
} as const;
