import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ProblemError } from '#libs/kernel';
import {
  mayActAs,
  type Operator,
  type OperatorAudit,
  type OperatorSessions,
  type Role,
} from '#libs/operators';
import { PATHS } from './paths.js';
import type { Refusals } from './refusals.js';
import { changesSomething, foreignOrigin } from './same-origin.js';
import { SESSION_COOKIE } from './session-cookie.js';

declare module 'fastify' {
  interface FastifyContextConfig {
    withoutLogin?: boolean;
    /** `viewer` by default. */
    needs?: Role;
  }
  interface FastifyRequest {
    operator: Operator | null;
  }
}

export const WITHOUT_LOGIN = { withoutLogin: true } as const;
export const FOR_OPERATORS = { needs: 'operator' } as const;
export const FOR_ADMINS = { needs: 'admin' } as const;

const OF_THE_PROCESS = new Set(['/health/live', '/health/ready', '/metrics']);

/**
 * Guards all routes, because Nest's guards do not run for the queue board or for unknown paths. Checks the
 * matched route, because one path can be written in several ways.
 */
export function guard(fastify: FastifyInstance, { sessions, audit, refusals }: GateParts): void {
  fastify.decorateRequest('operator', null);
  fastify.addHook('onRequest', async (request, reply) => {
    try {
      await admit(request);
    } catch (error) {
      recordRefusal(request);
      // If this hook threw the error, the queue board's own error handler would answer.
      return refusals.answer(refusals.problemOf(error), request, reply);
    }
    return undefined;
  });

  function recordRefusal(request: FastifyRequest): void {
    if (!changesSomething(request) || !request.operator) return;
    const { id: traceId, ip: address, operator, method, routeOptions } = request;
    const action = `${method} ${routeOptions.url ?? ''}`;
    audit.record({ action, operator: operator.name, target: null, outcome: 'refused', address, traceId });
  }

  async function admit(request: FastifyRequest): Promise<void> {
    const { config, url = '' } = request.routeOptions;
    const foreign = changesSomething(request) ? foreignOrigin(request) : null;
    if (foreign) throw new ProblemError('forbidden', { detail: foreign });
    // These routes must work without PostgreSQL, so do not look for a session.
    if (config.withoutLogin || OF_THE_PROCESS.has(url)) return;
    const token = SESSION_COOKIE.read(request);
    request.operator = token ? await sessions.find(token, isUse(request)) : null;
    if (request.operator && request.raw.logged) request.raw.logged.operator = request.operator.name;
    if (!request.operator) {
      throw new ProblemError('unauthenticated', { detail: `Log in at ${PATHS.login}.` });
    }
    mustActAs(request.operator.role, config.needs ?? 'viewer');
  }
}

export const roleMissing = (needed: Role) => `This needs the role ${needed}.`;

export function mustActAs(role: Role, needed: Role): void {
  if (!mayActAs(role, needed)) throw new ProblemError('forbidden', { detail: roleMissing(needed) });
}

interface GateParts {
  sessions: OperatorSessions;
  audit: OperatorAudit;
  refusals: Refusals;
}

/** A page that refreshes itself does not prolong the session, because the operator may be away. */
const isUse = (request: FastifyRequest) =>
  changesSomething(request) ||
  (request.headers['hx-request'] === undefined &&
    !request.routeOptions.url?.startsWith(`${PATHS.queues}/api/`));
