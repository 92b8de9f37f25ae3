import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Metrics } from './metrics.js';

/** Clients may send any other word as a method. Such words share one label value. */
const METHODS: ReadonlySet<string> = new Set([
  'CONNECT',
  'DELETE',
  'GET',
  'HEAD',
  'OPTIONS',
  'PATCH',
  'POST',
  'PUT',
  'QUERY',
  'TRACE',
]);
const OTHER = '_OTHER';

interface Series {
  observe(seconds: number): void;
}

/**
 * Measures the durations of requests (`http.server.request.duration` of OpenTelemetry's semantic
 * conventions). The route label is a template, so that clients cannot create series.
 */
@Injectable()
export class HttpMetrics {
  readonly #histogram;
  readonly #limits;
  /** By status, method and route. A look-up in nested maps creates no object. */
  readonly #series = new Map<number, Map<string, Map<string, Series>>>();

  constructor(metrics: Metrics) {
    this.#histogram = metrics.histogram('http_server_request_duration_seconds');
    this.#limits = metrics.counter('gangway_limits_hit_total');
  }

  answered(request: FastifyRequest, reply: FastifyReply): void {
    // `routeOptions` is unset after an error before the routing. Its `url` is unset if no route has the path.
    const route = request.routeOptions?.url ?? '';
    this.#seriesFor(reply.statusCode, request.method, route).observe(reply.elapsedTime / 1_000);
    const limit = request.problem?.limit;
    if (limit !== undefined) this.#limits.inc({ limit });
  }

  unreadable(status: number): void {
    this.#seriesFor(status, OTHER, '').observe(0);
  }

  #seriesFor(status: number, given: string, route: string): Series {
    const method = METHODS.has(given) ? given : OTHER;
    const byMethod = entryOf(this.#series, status, () => new Map<string, Map<string, Series>>());
    const byRoute = entryOf(byMethod, method, () => new Map<string, Series>());
    return entryOf(byRoute, route, () =>
      this.#histogram.labels({
        http_request_method: method,
        http_route: route,
        http_response_status_code: String(status),
      }),
    );
  }
}

function entryOf<K, V>(map: Map<K, V>, key: K, create: () => V): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const created = create();
  map.set(key, created);
  return created;
}
