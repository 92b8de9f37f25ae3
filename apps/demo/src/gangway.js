import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';

const TRIES = 3;
/** The time limit for all tries of a request together. */
const ANSWER_MS = 10_000;

/** A refusal by Gangway, with its problem details (RFC 9457), or a failure to reach Gangway. */
export class GangwayProblem extends Error {
  /**
   * @param {number} status
   * @param {{
   *   code: string, detail?: string, attemptsLeft?: number, errors?: object[],
   *   onboardingId?: string, state?: string, nextAction?: {type: string},
   * }} problem
   * @param {string | null} [retryAfter] whole seconds
   */
  constructor(status, problem, retryAfter = null) {
    super(`${problem.code}: ${problem.detail}`);
    this.status = status;
    this.problem = problem;
    this.retryAfter = retryAfter;
  }
}

/** The part of Gangway's REST API that an onboarding needs. Only a back end may have the API key. */
export class Gangway {
  /** @param {{url: string, apiKey: string}} options */
  constructor({ url, apiKey }) {
    this.url = new URL('/v1/onboardings', url).href;
    this.authorization = `Bearer ${apiKey}`;
  }

  start = (/** @type {object} */ body) => this.#post('', body);
  get = (/** @type {string} */ id) => this.#json('GET', `/${id}`);
  resend = (/** @type {string} */ id, body = {}) => this.#post(`/${id}/otp/resend`, body);
  verify = (/** @type {string} */ id, /** @type {string} */ code) =>
    this.#post(`/${id}/otp/verify`, { code });
  options = (/** @type {string} */ id, /** @type {object} */ user) =>
    this.#post(`/${id}/authenticators/options`, user);
  register = (/** @type {string} */ id, /** @type {object[]} */ authenticators) =>
    this.#post(`/${id}/authenticators`, { authenticators });
  cancel = (/** @type {string} */ id) => this.#post(`/${id}/cancel`, {});

  /**
   * Opens the timeline from the first event that the browser has not received.
   *
   * @param {string} id @param {string | undefined} lastEventId
   */
  events(id, lastEventId) {
    const headers = { Accept: 'text/event-stream', ...(lastEventId && { 'Last-Event-ID': lastEventId }) };
    return this.#send('GET', `/${id}/events/stream`, { headers });
  }

  /**
   * All tries have one idempotency key, so that Gangway runs the request only once.
   *
   * @param {string} path @param {object} body
   */
  async #post(path, body) {
    const headers = {
      'Content-Type': 'application/json',
      'Idempotency-Key': randomUUID(),
      // If a step takes longer than 2 s, Gangway answers 202, and the page follows the timeline.
      Prefer: 'wait=2',
    };
    const signal = AbortSignal.timeout(ANSWER_MS);
    for (let tried = 1; ; tried++) {
      try {
        return await this.#json('POST', path, { headers, body: JSON.stringify(body), signal });
      } catch (error) {
        if (!(error instanceof GangwayProblem) || !TEMPORARY.has(error.problem.code)) throw error;
        if (tried === TRIES || signal.aborted) throw error;
        await pause(1_000 * (Number(error.retryAfter) || 1));
      }
    }
  }

  /**
   * @param {string} method @param {string} path @param {RequestInit} init
   * @returns {Promise<any>} the body, with the time of Gangway's clock as `now`
   */
  async #json(method, path, init = {}) {
    const response = await this.#send(method, path, { signal: AbortSignal.timeout(ANSWER_MS), ...init });
    return {
      ...(await /** @type {Promise<any>} */ (response.json()).catch(noAnswer)),
      now: response.headers.get('date'),
    };
  }

  /** @param {string} method @param {string} path @param {RequestInit} init */
  async #send(method, path, init) {
    const headers = { ...init.headers, Authorization: this.authorization };
    const response = await fetch(this.url + path, { ...init, method, headers }).catch(noAnswer);
    if (response.ok) return response;
    /** @type {any} */
    const problem = await response.json().catch(() => ({ code: 'internal', detail: 'no reason was given' }));
    throw new GangwayProblem(response.status, problem, response.headers.get('retry-after'));
  }
}

/** Error codes after which the same request may succeed a moment later. */
const TEMPORARY = new Set(['service_unreachable', 'not_ready', 'idempotency_in_progress']);

/** @param {unknown} cause @returns {never} */
function noAnswer(cause) {
  const detail = 'Gangway does not answer at the moment.';
  const problem = new GangwayProblem(503, { code: 'service_unreachable', detail }, '2');
  throw Object.assign(problem, { cause });
}
