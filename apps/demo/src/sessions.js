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

  /**
   * @param {import('fastify').FastifyRequest} request @param {{id: string, email: string}} session
   * @returns {string} the cookie
   */
  open(request, session) {
    const token = randomBytes(32).toString('base64url');
    this.#sessions.set(token, session);
    if (this.#sessions.size > MOST) this.#sessions.delete([...this.#sessions.keys()][0] ?? '');
    return cookie(request, token);
  }

  /** @param {import('fastify').FastifyRequest} request */
  find(request) {
    return this.#sessions.get(tokenOf(request));
  }

  /** @param {import('fastify').FastifyRequest} request @throws GangwayProblem where nothing was started */
  load(request) {
    const session = this.find(request);
    if (session) return session;
    throw notStartedProblem();
  }

  /** @param {import('fastify').FastifyRequest} request @returns {string} the cookie that takes its own away */
  end(request) {
    this.#sessions.delete(tokenOf(request));
    return `${cookie(request, '')}; Max-Age=0`;
  }
}

export const notStartedProblem = () =>
  new GangwayProblem(404, { code: 'not_started', detail: 'Nothing was started in this browser.' });

/** @param {import('fastify').FastifyRequest} request @param {string} token */
const cookie = (request, token) => `${nameOf(request)}=${token}; Path=/; HttpOnly; SameSite=Strict`;

/**
 * Cookies know no port (RFC 6265 §8.5): of two servers on localhost, each would throw out the other's. Behind TLS it
 * is `__Host-onboarding`, and Secure.
 */
const nameOf = (/** @type {import('fastify').FastifyRequest} */ { socket }) =>
  `onboarding-${socket.localPort}`;

function tokenOf(/** @type {import('fastify').FastifyRequest} */ request) {
  const cookies = (request.headers.cookie ?? '').split('; ').map((each) => each.split('='));
  return cookies.find(([name]) => name === nameOf(request))?.[1] ?? '';
}
