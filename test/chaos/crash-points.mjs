/**
 * Wraps objects of the NestJS app for tests. The process kills itself at a chosen point of an attempt. Each
 * upstream request names its attempt in `X-Request-Id`, by which tests find it in the sandbox's journal.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { writeSync } from 'node:fs';

/** @typedef {import('@nestjs/platform-fastify').NestFastifyApplication} App */
/** @typedef {{ point: string, visits: number, jitter: number }} CrashPlan */

/** In the order in which an attempt reaches them. */
export const CRASH_POINTS = [
  'before-claim',
  'in-claim',
  'after-claim',
  'before-probe',
  'in-probe',
  'after-probe',
  'before-send',
  'after-send',
  'after-answer',
  'before-settle',
  'in-settle',
  'after-settle',
  'before-reply',
  'before-command',
  'in-command',
  'after-command',
];

/**
 * `findClaimed` is the probe: after a lost answer to a claim, it finds out whether PostgreSQL has executed
 * it.
 */
const KIND_OF_WRITE = {
  start: 'claim',
  claimSend: 'claim',
  claimVerify: 'claim',
  claimAuthenticators: 'claim',
  retry: 'claim',
  findClaimed: 'probe',
  settle: 'settle',
  command: 'command',
  erase: 'command',
};

/**
 * @param {App} app
 * @param {{ OnboardingStore: unknown, Steps: unknown, Integrations: unknown, IdempotencyKeys: unknown }}
 *   tokens the classes by which `app.get` finds its objects
 */
export function nameAttempts(app, { Steps, Integrations }) {
  /** @type {AsyncLocalStorage<{ id: string, number: number }>} */
  const attempts = new AsyncLocalStorage();
  for (const { provider: guarded } of app.get(Integrations).all()) {
    const http = guarded.provider.http;
    if (http.namesAttempts) continue; // all integrations share one HTTP client
    http.namesAttempts = true;
    const send = http.send.bind(http);
    http.send = (call, request) => {
      const attempt = attempts.getStore();
      if (!attempt) return send(call, request);
      const id = `${attempt.id}_${attempt.number}_${Date.now()}`;
      return send(call, { ...request, headers: { ...request.headers, 'x-request-id': id } });
    };
  }
  const steps = app.get(Steps);
  for (const name of ['init-otp', 'verify-otp', 'create-authenticators']) {
    const step = steps.get(name);
    const make = step.call.bind(step);
    step.call = (provider, call, row) =>
      attempts.run({ id: row.id, number: row.attempt }, () => make(provider, call, row));
  }
}

/**
 * @param {App} app
 * @param {{ OnboardingStore: unknown, Steps: unknown, Integrations: unknown, IdempotencyKeys: unknown }}
 *   tokens
 * @param {() => CrashPlan | null} planned may change while the app runs
 */
export function plantCrashPoints(app, { OnboardingStore, Integrations, IdempotencyKeys }, planned) {
  const visits = new Map();
  const isHere = (point) => {
    const plan = planned();
    if (plan?.point !== point) return false;
    visits.set(point, (visits.get(point) ?? 0) + 1);
    return visits.get(point) >= plan.visits;
  };
  const pass = (point) => {
    if (isHere(point)) die(point);
  };

  const store = app.get(OnboardingStore);
  const around = async (write, kind) => {
    pass(`before-${kind}`);
    const written = write();
    // The process dies after the statement was sent, and before its result arrives.
    if (isHere(`in-${kind}`)) setTimeout(() => die(`in-${kind}`), planned().jitter);
    const row = await written;
    if (row !== null && typeof row === 'object') pass(`after-${kind}`);
    return row;
  };
  for (const [method, kind] of Object.entries(KIND_OF_WRITE)) {
    const write = store[method].bind(store);
    store[method] = (...what) => around(() => write(...what), kind);
  }

  for (const { provider } of app.get(Integrations).all()) {
    for (const verb of ['initOtp', 'verifyOtp', 'createAuthenticators']) {
      const make = provider[verb].bind(provider);
      provider[verb] = async (call, ...rest) => {
        const watched = {
          ...call,
          beforeSend: () => {
            call.beforeSend();
            pass('before-send');
            if (isHere('after-send')) setTimeout(() => die('after-send'), 1 + 10 * planned().jitter);
          },
        };
        try {
          return await make(watched, ...rest);
        } finally {
          pass('after-answer');
        }
      };
    }
  }

  const keys = app.get(IdempotencyKeys);
  const answer = keys.answer.bind(keys);
  keys.answer = async (...args) => {
    await answer(...args);
    pass('before-reply');
  };
}

/** The synchronous write is complete before the kill. */
function die(point) {
  writeSync(1, `crashed ${point}\n`);
  process.kill(process.pid, 'SIGKILL');
}
