import { randomBytes, randomUUID } from 'node:crypto';
import { GangwayProblem } from './gangway.js';

/**
 * @typedef {object} Session
 * @property {string} id the onboarding's id; the browser never gets it
 * @property {string} email
 * @property {string} of names the onboarding that a tab shows: all tabs share one cookie, which may be newer
 */

/** The most sessions in memory; the oldest is dropped. */
const MOST = 10_000;

/**
 * Stands in for your own login. A cookie that scripts cannot read binds a browser to the one onboarding that
 * it may see. The browser never sends an onboarding's id, so it cannot send that of another user.
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
   * @throws GangwayProblem if the browser started no onboarding, or another one than this tab shows
   */
  load(request) {
    const session = this.find(request);
    if (!session) throw notStartedProblem();
    const of = request.headers['x-onboarding'] ?? /** @type {any} */ (request.query).of;
    if (of === session.of) return session;
    const detail = 'This browser has started another onboarding since, perhaps in another tab.';
    throw new GangwayProblem(409, { code: 'other_onboarding', detail });
  }

  /**
   * @param {import('fastify').FastifyRequest} request
   * @returns {string} a cookie that deletes the session's cookie
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
 * The port is in the name, because cookies ignore ports (RFC 6265 §8.5): two servers on localhost would
 * overwrite each other's cookie. Behind TLS, use `__Host-onboarding` with `Secure`.
 */
const nameOf = (/** @type {import('fastify').FastifyRequest} */ { socket }) =>
  `onboarding-${socket.localPort}`;

function tokenOf(/** @type {import('fastify').FastifyRequest} */ request) {
  const cookies = (request.headers.cookie ?? '').split('; ').map((each) => each.split('='));
  return cookies.find(([name]) => name === nameOf(request))?.[1] ?? '';
}
