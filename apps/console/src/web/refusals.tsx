import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { findOutage } from '#libs/database';
import { PROBLEMS, mediaTypes, type ProblemError } from '#libs/kernel';
import { ProblemFilter, sendProblem } from '#libs/platform';
import { Page, PageWriter } from './page-writer.js';
import { PATHS, pageAfterLogin } from './paths.js';

/** Answers problems: a browser that opens a page gets a page, all other requests get a problem (JSON). */
@Injectable()
export class Refusals {
  readonly #filter = new ProblemFilter(findOutage);

  constructor(private readonly pages: PageWriter) {}

  /** Turns any error into a problem that a page or a JSON answer may show. */
  problemOf(error: unknown): ProblemError {
    return this.#filter.problemOf(error);
  }

  answer(problem: ProblemError, request: FastifyRequest, reply: FastifyReply): FastifyReply {
    // RFC 9110 §15.5.2 requires a challenge with a 401. Browsers do not know this scheme, so they show no
    // password dialog.
    if (problem.status === 401) reply.header('WWW-Authenticate', 'Cookie realm="Gangway console"');
    if (!isForPerson(request)) return sendProblem(problem, request, reply);
    request.problem = problem;
    if (problem.retryAfterS !== undefined) reply.header('Retry-After', String(problem.retryAfterS));
    if (problem.status === 401 && request.method === 'GET') {
      return reply.redirect(`${PATHS.login}?next=${encodeURIComponent(pageAfterLogin(request.url))}`, 303);
    }
    const { title } = PROBLEMS[problem.code];
    const main = (
      <>
        <h1>{title}</h1>
        <p>{problem.message}</p>
        <p>
          <a href={PATHS.now}>To the first page</a>
        </p>
        <p>
          <small>Trace id: {request.id}</small>
        </p>
      </>
    );
    const document = this.pages.write(new Page(title, main), request, reply);
    return reply.status(problem.status).send(document);
  }
}

/**
 * Whether a person will see the answer as a page. An older browser sends no `Sec-Fetch-Mode`, but prefers
 * HTML in `Accept`.
 */
function isForPerson({ headers }: FastifyRequest): boolean {
  const mode = headers['sec-fetch-mode'];
  if (mode !== undefined) return mode === 'navigate';
  return mediaTypes(headers.accept)[0] === 'text/html';
}
