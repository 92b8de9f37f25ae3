import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Params } from 'nestjs-pino';
import type { Config } from './config.js';
import { shownPath } from './shown.js';
import { currentJob, currentRequest, type LoggedRequest } from './signals/current-work.js';
import { spanFields } from './signals/tracing.js';
import { levelHooks } from './signals/log-levels.js';

/** Safe in a header and a log line. */
const REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/;

declare module 'node:http' {
  interface IncomingMessage {
    logged?: LoggedRequest;
  }
}

export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
}

/**
 * Headers, queries and bodies are never logged, because they may contain codes, sessions and keys.
 * `RequestLog` writes the line of a request, because it also sees requests that never reach this logger.
 */
export function loggerOptions(config: Pick<Config, 'LOG_LEVEL'>): Params {
  return {
    // Requests get no loggers of their own, because most requests write no line.
    forRoutes: [],
    pinoHttp: {
      level: config.LOG_LEVEL,
      mixin: ofCurrentWork,
      hooks: levelHooks,
      serializers: {
        // pino-http's own serializer runs first and renames `path` to `url`.
        req: ({ method, url }: { method: string; url: string }) => ({ method, path: url }),
        err: (error: Error & { code?: unknown }) => ({
          type: error.name,
          message: error.message,
          code: error.code,
          stack: error.stack,
        }),
      },
    },
  };
}

/** Adds the span and the current request or job. A line with a `traceId` does not get the request. */
function ofCurrentWork(line: object): object {
  const request = currentRequest.getStore();
  if (!request) return { ...currentJob.getStore(), ...spanFields() };
  if ('traceId' in line) return { ...spanFields() };
  const { method, url = '', ...more } = request;
  return { req: { method, path: shownPath(url) }, ...more, ...spanFields() };
}
