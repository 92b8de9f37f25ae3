import { randomBytes } from 'node:crypto';
import { GangwayProblem } from './gangway.js';

/** Nobody fills the memory by starting: the oldest are forgotten. */
const MOST = 10_000;

/**
 * Stands in for your own login: binds a browser, by a cookie that no script reads, to the one onboarding that it
 * may see. The browser never names an onboarding, so that it cannot name another's.
 */
export class Sessions {
  /** @type {Map<string, {id: string, email: string}>} */
  #sessions = new Map();

  /** @param {{id: string, email: string}} session @returns {string} the cookie */
  open(session) {
    const token = randomBytes(32).toString('base64url');
    this.#sessions.set(token, session);
    if (this.#sessions.size > MOST) this.#sessions.delete([...this.#sessions.keys()][0] ?? '');
    return cookie(token); // behind TLS: `__Host-onboarding`, and Secure
  }

  /** @param {import('fastify').FastifyRequest} request */
  find(request) {
    return this.#sessions.get(tokenOf(request));
  }

  /** @param {import('fastify').FastifyRequest} request @throws GangwayProblem where nothing was started */
  load(request) {
    const session = this.find(request);
    if (session) return session;
    throw new GangwayProblem(404, { code: 'not_started', detail: 'Nothing was started in this browser.' });
  }

  /** @param {import('fastify').FastifyRequest} request @returns {string} the cookie that takes its own away */
  end(request) {
    this.#sessions.delete(tokenOf(request));
    return `${cookie('')}; Max-Age=0`;
  }
}

const cookie = (/** @type {string} */ token) => `onboarding=${token}; Path=/; HttpOnly; SameSite=Strict`;

const tokenOf = (/** @type {import('fastify').FastifyRequest} */ { headers }) =>
  /(?:^|; )onboarding=([\w-]+)/.exec(headers.cookie ?? '')?.[1] ?? '';
