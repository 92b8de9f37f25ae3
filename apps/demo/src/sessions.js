import { randomBytes, randomUUID } from 'node:crypto';
import { GangwayProblem } from './gangway.js';

/**
 * @typedef {object} Session
 * @property {string} id the onboarding's id; the browser never gets it
 * @property {string} email
 * @property {string} ref a random reference, which each tab sends, because another tab may have started a
 *   newer onboarding
 */

const MAX_SESSIONS = 10_000;

/**
 * Stands in for your own login. A cookie that scripts cannot read binds a browser to one onboarding. The
 * browser never sends an onboarding's id, so it cannot send another user's id.
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
    const session = { id, email, ref: randomUUID() };
    this.#sessions.set(token, session);
    if (this.#sessions.size > MAX_SESSIONS) this.#sessions.delete([...this.#sessions.keys()][0] ?? '');
    return { session, cookie: cookie(request, token) };
  }

  /** @param {import('fastify').FastifyRequest} request */
  find(request) {
    return this.#sessions.get(tokenOf(request));
  }

  /**
   * @param {import('fastify').FastifyRequest} request
   * @throws GangwayProblem if the browser has no onboarding, or if the tab shows an older one
   */
  load(request) {
    const session = this.find(request);
    if (!session) throw notStartedProblem();
    const ref = request.headers['x-onboarding'] ?? /** @type {any} */ (request.query).ref;
    if (ref === session.ref) return session;
    const detail = 'This browser has started another onboarding since, perhaps in another tab.';
    throw new GangwayProblem(409, { code: 'other_onboarding', detail });
  }

  /**
   * @param {import('fastify').FastifyRequest} request
   * @returns {string} the Set-Cookie header that deletes the cookie
   */
  end(request) {
    this.#sessions.delete(tokenOf(request));
    return `${cookie(request, '')}; Max-Age=0`;
  }
}

export const notStartedProblem = () =>
  new GangwayProblem(404, { code: 'not_started', detail: 'This browser has not started an onboarding.' });

/** @param {import('fastify').FastifyRequest} request @param {string} token */
const cookie = (request, token) => `${nameOf(request)}=${token}; Path=/; HttpOnly; SameSite=Strict`;

/**
 * The name contains the port, because cookies ignore ports (RFC 6265 §8.5), and two servers on localhost
 * would overwrite each other's cookie. Behind TLS, use `__Host-onboarding` with `Secure`.
 */
const nameOf = (/** @type {import('fastify').FastifyRequest} */ { socket }) =>
  `onboarding-${socket.localPort}`;

function tokenOf(/** @type {import('fastify').FastifyRequest} */ request) {
  const cookies = (request.headers.cookie ?? '').split('; ').map((each) => each.split('='));
  return cookies.find(([name]) => name === nameOf(request))?.[1] ?? '';
}
