import { randomBytes, randomUUID } from 'node:crypto';
import { GangwayProblem } from './gangway.js';

/**
 * @typedef {object} Session
 * @property {string} id the onboarding's, which the browser is not told
 * @property {string} email
 * @property {string} of what a tab says that it shows: all tabs have one cookie, and it may be about another one by now
 */

/** Nobody fills the memory by starting: the oldest are forgotten. */
const MOST = 10_000;

/**
 * Stands in for your own login: binds a browser, by a cookie that no script reads, to the one onboarding that it
 * may see. The browser never names an onboarding, so that it cannot name another's.
 */
export class Sessions {
  /** @type {Map<string, Session>} */
  #sessions = new Map();

  /**
   * @param {import('fastify').FastifyRequest} request @param {{id: string, email: string}} session
   * @returns {{session: Session, cookie: string}}
   */
  open(request, { id, email }) {
    const token = randomBytes(32).toString('base64url');
    const session = { id, email, of: randomUUID() };
    this.#sessions.set(token, session);
    if (this.#sessions.size > MOST) this.#sessions.delete([...this.#sessions.keys()][0] ?? '');
    return { session, cookie: cookie(request, token) };
  }

  /** @param {import('fastify').FastifyRequest} request */
  find(request) {
    return this.#sessions.get(tokenOf(request));
  }

  /**
   * @param {import('fastify').FastifyRequest} request
   * @throws GangwayProblem where nothing was started, or something else than this tab shows
   */
  load(request) {
    const session = this.find(request);
    if (!session) throw notStartedProblem();
    const of = request.headers['x-onboarding'] ?? /** @type {any} */ (request.query).of;
    if (of === session.of) return session;
    const detail = 'This browser has started another onboarding since, in another tab perhaps.';
    throw new GangwayProblem(409, { code: 'other_onboarding', detail });
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
