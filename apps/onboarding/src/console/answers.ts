import type { FastifyReply, FastifyRequest } from 'fastify';
import { PROBLEMS, mediaTypes, type ProblemError } from '#libs/kernel';
import { sendProblem } from '#libs/platform';
import { OWN_PAGES } from '../page-policy.js';
import { FormTokens } from './form-token.js';
import { loginPage, refusalPage } from './pages.js';
import { PATHS, goingOnTo } from './paths.js';

/**
 * The answers of the console. A browser that opens a page gets a page; all other requests get a problem
 * (JSON).
 */
export class ConsoleAnswers {
  constructor(private readonly tokens: FormTokens) {}

  page(reply: FastifyReply, text: string): FastifyReply {
    reply.header('Content-Security-Policy', OWN_PAGES);
    // With `no-referrer`, a browser sends our own forms with `Origin: null` (Fetch §3.2), and we would refuse
    // them.
    reply.header('Referrer-Policy', 'same-origin');
    return reply.type('text/html; charset=utf-8').send(text);
  }

  login(
    request: FastifyRequest,
    reply: FastifyReply,
    { error = null, next = PATHS.home }: { error?: string | null; next?: string } = {},
  ): FastifyReply {
    const fromElsewhere = request.headers['sec-fetch-site'] === 'cross-site';
    const formToken = this.tokens.ofLogin(request, reply);
    return this.page(reply, loginPage({ formToken, next: goingOnTo(next), error, fromElsewhere }));
  }

  /** Sets status, headers and log entry of a problem that a page shows. */
  stamp(request: FastifyRequest, reply: FastifyReply, problem: ProblemError): FastifyReply {
    request.problem = problem;
    if (problem.retryAfterS !== undefined) reply.header('Retry-After', String(problem.retryAfterS));
    return reply.status(problem.status);
  }

  refuse(request: FastifyRequest, reply: FastifyReply, problem: ProblemError): FastifyReply {
    // RFC 9110 §15.5.2 requires a challenge with a 401. Browsers do not know this scheme, so they show no
    // password dialog.
    if (problem.status === 401) reply.header('WWW-Authenticate', 'Cookie realm="Gangway operations"');
    if (!isForPerson(request)) return sendProblem(problem, request, reply);
    this.stamp(request, reply, problem);
    if (problem.status === 401) return this.login(request, reply, { next: pathOf(request) });
    return this.page(reply, refusalPage(PROBLEMS[problem.code].title, problem.message, request.operator));
  }
}

const pathOf = (request: FastifyRequest) => request.url.split('?', 1)[0] ?? '';

/**
 * Whether a person will see the answer as a page. An older browser sends no `Sec-Fetch-Mode`, but prefers
 * HTML in `Accept`.
 */
function isForPerson({ headers }: FastifyRequest): boolean {
  const mode = headers['sec-fetch-mode'];
  if (mode !== undefined) return mode === 'navigate';
  return mediaTypes(headers.accept)[0] === 'text/html';
}
