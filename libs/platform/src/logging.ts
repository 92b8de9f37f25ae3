import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { RequestMethod } from '@nestjs/common';
import type { Params } from 'nestjs-pino';
import type { Config } from './config.js';
import { shownPath } from './shown.js';

/** A request id that a caller gives is taken over when it is harmless in a header and a log line. */
const REQUEST_ID = /^[A-Za-z0-9._:-]{1,128}$/;

declare module 'node:http' {
  interface IncomingMessage {
    /** For the request's line in the log: where it came from, and whose it is once that is known. */
    logged?: { address: string; caller?: string };
  }
}

/** The caller's own `X-Request-Id`, or a new one. */
export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID();
}

/**
 * JSON lines by pino. A request is logged by method, path and status only: no header, query or body ever is,
 * because a code, a session or a key would sooner or later be in one.
 */
export function loggerOptions(config: Pick<Config, 'LOG_LEVEL'>): Params {
  return {
    // nestjs-pino's own default has no leading slash, and under Nest 12 on Fastify it matches no path at all.
    forRoutes: [{ path: '/{*splat}', method: RequestMethod.ALL }],
    pinoHttp: {
      level: config.LOG_LEVEL,
      genReqId: (request: IncomingMessage) => request.id ?? requestIdOf(request),
      serializers: {
        req: (request: { id: unknown; method: string; url: string }) => ({
          id: request.id,
          method: request.method,
          path: shownPath(request.url),
        }),
        res: (response: { statusCode: number }) => ({ status: response.statusCode }),
        err: (error: Error & { code?: unknown }) => ({
          type: error.name,
          message: error.message,
          code: error.code,
          stack: error.stack,
        }),
      },
      customProps: (request) => ({ ...(request as IncomingMessage).logged }),
      customLogLevel: (_request, response) => levelOf(response.statusCode),
    },
  };
}

/**
 * Who is known and asks for what it may not do is somebody's mistake, or worse. Strangers are counted elsewhere: a line
 * each would be a way to fill the log. 503 is an outage that is told of elsewhere, and over when it is over; other 5xx are
 * our faults.
 */
function levelOf(status: number): 'error' | 'warn' | 'info' | 'debug' {
  if (status === 403) return 'info';
  if (status === 503) return 'warn';
  return status >= 500 ? 'error' : 'debug';
}
