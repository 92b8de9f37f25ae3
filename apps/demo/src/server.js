import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import files from '@fastify/static';
import fastify from 'fastify';
import { GangwayProblem } from './gangway.js';
import { Sessions, notStartedProblem } from './sessions.js';

const PAGE = fileURLToPath(new URL('page', import.meta.url));
const WEBAUTHN = dirname(fileURLToPath(import.meta.resolve('@simplewebauthn/browser')));

/** The page may load only our own files, because an injected script could register the attacker's passkey. */
const HEADERS = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
    "require-trusted-types-for 'script'; trusted-types 'none'",
  'Permissions-Policy': 'publickey-credentials-create=(self)',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

/** The members of an onboarding that the page gets, without the subject's ids and metadata. */
const SHOWN = `state reason nextAction otp session authenticators lastResult unresolved parked
  version provider createdAt updatedAt now`.split(/\s+/);

/** The members of an event's data that the page gets, without operators' reasons. */
const SHOWN_EVENT_DATA = 'step class durationMs inMs authenticators'.split(' ');

/** @param {string[]} names @param {any} from */
const only = (names, from) => Object.fromEntries(names.map((name) => [name, from[name]]));

/** @param {Record<string, object>} properties the members that the body must have */
const takes = (properties) => ({
  schema: { body: { type: 'object', required: Object.keys(properties), properties } },
});
const EMAIL = { type: 'string', maxLength: 254, pattern: '^[^\\s@]+@[^\\s@]+\\.[^\\s@]+$' };
const CODE = { type: 'string', pattern: '^[A-Za-z0-9]{6,9}$' };
const CREDENTIALS = { type: 'array', minItems: 1, maxItems: 10, items: { type: 'object' } };

/**
 * Each route finds the browser's onboarding by the session cookie, makes one call to Gangway, and answers
 * with the state of the onboarding.
 *
 * @param {import('./gangway.js').Gangway} gangway
 * @param {import('./users.js').Users} users
 * @param {{integration?: string | undefined, mailboxUrl?: string | undefined}} settings
 */
export function createServer(gangway, users, { integration, mailboxUrl } = {}) {
  const app = fastify({ logger: { level: 'warn' }, forceCloseConnections: true });
  const sessions = new Sessions();

  /** @param {any} onboarding @param {import('./sessions.js').Session} session */
  const shown = (onboarding, { email, ref }) => ({ ...only(SHOWN, onboarding), email, ref, mailboxUrl });
  const notStarted = { state: 'not_started', nextAction: { type: 'start' }, mailboxUrl };

  app.removeContentTypeParser('text/plain'); // the server reads only JSON, which no HTML form can send
  app.register(files, { root: PAGE });
  app.register(files, { root: WEBAUTHN, prefix: '/vendor/simplewebauthn/', decorateReply: false });

  app.addHook('onRequest', async (request, reply) => {
    reply.headers(HEADERS);
    if (request.routeOptions.url?.startsWith('/api/')) reply.header('Cache-Control', 'no-store');
    // WebAuthn works at "localhost", but not at an IP address.
    const byAddress = /^(?:127[.\d]+|\[::1\])(:\d+)?$/.exec(request.host);
    if (request.url === '/' && byAddress) return reply.redirect(`http://localhost${byAddress[1] ?? ''}/`);
    // SameSite does not protect against other origins of our site, such as a subdomain.
    if (!['GET', 'HEAD'].includes(request.method) && !isOfOurPage(request)) {
      throw new GangwayProblem(400, {
        code: 'validation_failed',
        detail: 'Only our own page may send this request.',
      });
    }
  });

  app.post('/api/onboarding', takes({ email: EMAIL }), async (request, reply) => {
    const email = /** @type {any} */ (request.body).email.toLowerCase();
    const subject = await users.subjectOf(email);
    const onboarding = await gangway.start({ integration, subject, supersede: true });
    const { session, cookie } = sessions.open(request, { id: onboarding.id, email });
    reply.header('Set-Cookie', cookie);
    return shown(onboarding, session);
  });

  app.get('/api/onboarding', async (request, reply) => {
    const session = sessions.find(request);
    if (!session) return notStarted;
    try {
      return shown(await gangway.get(session.id), session);
    } catch (error) {
      // The onboarding does not exist, or belongs to another caller. The user must be able to start again.
      if (!(error instanceof GangwayProblem) || error.problem.code !== 'not_found') throw error;
      reply.header('Set-Cookie', sessions.end(request));
      return notStarted;
    }
  });

  app.post('/api/onboarding/code', takes({ code: CODE }), async (request) => {
    const session = sessions.load(request);
    return shown(await gangway.verify(session.id, /** @type {any} */ (request.body).code), session);
  });

  app.post('/api/onboarding/resend', async (request) => {
    const session = sessions.load(request);
    return shown(await gangway.resend(session.id), session);
  });

  app.post('/api/onboarding/passkeys/options', async (request) => {
    const { id, email } = sessions.load(request);
    return gangway.options(id, { userName: email.slice(0, 64) });
  });

  app.post('/api/onboarding/passkeys', takes({ credentials: CREDENTIALS }), async (request) => {
    const session = sessions.load(request);
    const { credentials } = /** @type {{credentials: any[]}} */ (request.body);
    const authenticators = credentials.map(({ name, credential }) => ({
      authenticatorName: name,
      credential,
    }));
    return shown(await gangway.register(session.id, authenticators), session);
  });

  app.post('/api/onboarding/cancel', async (request, reply) => {
    const { id } = sessions.load(request);
    await gangway.cancel(id).catch((error) => {
      if (!['onboarding_ended', 'not_found'].includes(error.problem?.code)) throw error;
    });
    reply.header('Set-Cookie', sessions.end(request));
    return notStarted;
  });

  app.get('/api/onboarding/events', async (request, reply) => {
    const lastEventId = request.headers['last-event-id'];
    const events = await gangway.events(sessions.load(request).id, lastEventId?.toString());
    if (events.status === 204 || !events.body) return reply.code(204).send();
    return reply.type('text/event-stream').send(Readable.from(filteredEvents(events.body)));
  });

  app.setErrorHandler((error, request, reply) => {
    const { status, problem, retryAfter } = toProblem(error);
    if (status >= 500) request.log.error(error);
    if (retryAfter) reply.header('Retry-After', retryAfter);
    const { code, detail, attemptsLeft, errors } = problem;
    reply.code(status).type('application/problem+json');
    return { status, code, detail, attemptsLeft, errors };
  });

  return app;
}

/** Leaves out the data that users must not see. @param {ReadableStream} events */
async function* filteredEvents(events) {
  const source = Readable.fromWeb(/** @type {import('node:stream/web').ReadableStream} */ (events));
  try {
    for await (const line of createInterface({ input: source })) {
      const event = line.startsWith('data: ') && JSON.parse(line.slice(6));
      const { seq, type, at, data } = event || {};
      yield event
        ? `data: ${JSON.stringify({ seq, type, at, data: only(SHOWN_EVENT_DATA, data ?? {}) })}\n`
        : `${line}\n`;
    }
  } finally {
    source.destroy();
  }
}

/**
 * Older browsers send `Origin`, but no `Sec-Fetch-Site`. Clients that send neither are not browsers, and have
 * no user's cookie.
 *
 * @param {import('fastify').FastifyRequest} request
 */
function isOfOurPage({ headers, host }) {
  const { origin, 'sec-fetch-site': site = 'same-origin' } = headers;
  return site === 'same-origin' && (origin ?? `//${host}`).replace(/^https?:/, '') === `//${host}`;
}

/** Hides internal errors, and that Gangway refuses our API key. */
function toProblem(/** @type {any} */ error) {
  if (error instanceof GangwayProblem) {
    if (error.problem.code === 'not_found') return notStartedProblem();
    if (error.status !== 401 && error.status !== 403) return error;
  } else if (error.statusCode < 500) {
    return new GangwayProblem(error.statusCode, { code: 'validation_failed', detail: error.message });
  }
  return new GangwayProblem(502, { code: 'internal', detail: 'Something broke on our side.' });
}
