import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Pool } from 'pg';
import { ownQueuePrefix, testDatabaseEnv, testDatabaseUrl, testRedisUrl } from '#libs/testing';
import { KeyedHash } from '#libs/platform';
import type { OnboardingResource } from '../../apps/onboarding/src/onboarding.dto.js';
import type { Sandbox, SandboxOptions } from '../../apps/sandbox/src/sandbox.js';
import { createPasskey, type PasskeyOptions } from '../../tools/passkey.js';
import { AppProcess } from './app-process.js';
import { refuseUndocumented } from './documented.js';
import { recording } from './recording.js';
import { World, type Env, type WorldOptions } from './world.js';

const CHECKOUT = join(import.meta.dirname, '../..');
const MAIN = {
  onboarding: join(CHECKOUT, 'dist/apps/onboarding/src/main.js'),
  worker: join(CHECKOUT, 'dist/apps/worker/src/main.js'),
  console: join(CHECKOUT, 'dist/apps/console/src/main.js'),
  demo: join(CHECKOUT, 'apps/demo/src/main.js'),
};

export const API_KEY = 'key-of-the-tests-0123456789';
export const OPS_PASSWORD = 'password-of-the-tests';
export const RP_ID = 'app.example.com';
export const ORIGIN = 'https://app.example.com';

/**
 * The settings of all e2e tests, with short times. LEASE_MS must be longer than CLAIM_MAX_AGE_MS and
 * CALL_TIMEOUT_MS together.
 */
const SHORT = {
  NODE_ENV: 'test',
  LOG_LEVEL: process.env['TEST_LOG_LEVEL'] ?? 'silent',
  PORT: '0',
  WORKER_PORT: '0',
  CONSOLE_PORT: '0',
  API_KEY,
  SEALING_KEYS: `test:${Buffer.alloc(32, 7).toString('base64')}`,
  HASH_KEY: Buffer.alloc(32, 9).toString('base64'),
  OPS_PASSWORD,
  RETRY_FLOOR_MS: '5',
  RETRY_BASE_MS: '20',
  RETRY_CAP_MS: '100',
  CONNECT_TIMEOUT_MS: '1000',
  CALL_TIMEOUT_MS: '3000',
  CLAIM_MAX_AGE_MS: '2900',
  LEASE_MS: '6000',
  EXPIRY_EVERY_MS: '250',
  SWEEP_EVERY_MS: '500',
  WAKE_AGAIN_MS: '1500',
  PROBE_EVERY_MS: '500',
  CANARY_EVERY_MS: '1000',
  DRAIN_NOTICE_MS: '0',
  RETRY_BUDGET_BURST: '100000',
  BREAKER_CALLS: '10000',
  OTP_RESEND_COOLDOWN_MS: '50',
  OTP_SENDS_PER_WINDOW: '20',
  OTP_SENDS_PER_DAY: '40',
  // All requests come from one address. The search for secrets would mistake a limit of six digits for a
  // code.
  LOGIN_FAILURES_PER_MINUTE: '90000',
  RATE_LIMIT_CALLER_PER_MINUTE: '90000',
  RATE_LIMIT_SUBJECT_PER_MINUTE: '90000',
};

const byzantineAt = ({ url, credential }: Sandbox, { rpId, origins }: Website): Env => ({
  INTEGRATIONS: 'byzantine',
  INTEGRATION_BYZANTINE_PROVIDER: 'byzantine',
  INTEGRATION_BYZANTINE_BASE_URL: url,
  INTEGRATION_BYZANTINE_PRIVATE_KEY: credential?.privateKeyHex ?? '',
  INTEGRATION_BYZANTINE_RP_ID: rpId,
  INTEGRATION_BYZANTINE_RP_NAME: 'Acme',
  INTEGRATION_BYZANTINE_ORIGINS: origins.join(','),
});

export interface Answer<Body = OnboardingResource & Problem> {
  status: number;
  headers: Headers;
  body: Body;
}

interface Problem {
  code: string;
  detail: string;
  errors: { pointer: string; code: string; detail: string }[];
  attemptsLeft: number;
  onboardingId: string;
  retryable: boolean;
}

export interface TimelineEvent {
  seq: number;
  type: string;
  at: string;
  actor: string;
  data: Record<string, unknown>;
}

export interface Subject {
  accountId: string;
  userId: string;
  email: string;
}

interface Website {
  rpId: string;
  origins: string[];
}

export interface StoryOptions extends WorldOptions {
  /** Replaces the jest worker's own database. */
  databaseUrl?: string;
  sandbox?: Omit<SandboxOptions, 'rpId' | 'origins'>;
  /** The website where passkeys are made, if not {@link ORIGIN}. */
  website?: Website;
}

/** Starts the apps for e2e tests, with a real PostgreSQL and Redis, and calls their API as callers do. */
export class Story extends World {
  #database: Pool | undefined;

  private constructor(public databaseUrl: string) {
    super();
  }

  /** Starts the sandbox, the service and the worker. `env` overrides settings. */
  static override async begin(options: StoryOptions = {}): Promise<Story> {
    const { databaseUrl, website = { rpId: RP_ID, origins: [ORIGIN] }, env = {}, ...more } = options;
    const story = new Story(databaseUrl ?? (await testDatabaseUrl()));
    const servers = {
      ...(await testDatabaseEnv()),
      ...(databaseUrl && { DATABASE_URL: databaseUrl }),
      REDIS_URL: testRedisUrl(),
      QUEUE_PREFIX: ownQueuePrefix(),
    };
    await story.open({
      ...more,
      sandbox: { ...website, ...more.sandbox },
      env: (sandbox) => ({
        ...SHORT,
        ...servers,
        ...byzantineAt(sandbox, website),
        ...(typeof env === 'function' ? env(sandbox) : env),
      }),
    });
    return story;
  }

  /** Starts an app that `npm run test:e2e` has compiled, in its own process. */
  async startProcess(app: 'onboarding' | 'worker' | 'console', env: Env = {}): Promise<AppProcess> {
    const started = await AppProcess.start(MAIN[app], { ...this.env, LOG_LEVEL: 'info', ...env });
    this.atEnd(() => started.end());
    if (app === 'onboarding') this.serviceUrl ||= started.url;
    return started;
  }

  /** @param main the demo's main file, or a copy of it */
  async startDemo(env: Env = {}, main: string = MAIN.demo): Promise<AppProcess> {
    const started = await AppProcess.start(main, {
      DEMO_PORT: '0',
      GANGWAY_URL: this.serviceUrl,
      GANGWAY_API_KEY: API_KEY,
      SANDBOX_URL: this.sandbox.url,
      ...env,
    });
    this.atEnd(() => started.end());
    return started;
  }

  override async stop(): Promise<void> {
    await recording.timelines(this);
    await super.stop();
  }

  override async end(): Promise<void> {
    await super.end();
    await this.#database?.end();
    this.#database = undefined;
  }

  newSubject(): Subject {
    const subject = { accountId: randomUUID(), userId: randomUUID() };
    const email = `${subject.userId}@example.com`;
    this.sandbox.control.addSubject({ ...subject, email });
    return { ...subject, email };
  }

  /**
   * Calls the API, and records the answer.
   *
   * @throws Error if the OpenAPI document does not name a problem's code at this route.
   */
  async call<Body = OnboardingResource & Problem>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
    /** The replica that must answer. */
    serviceUrl = this.serviceUrl,
  ): Promise<Answer<Body>> {
    const answer = await this.ask<Body>(method, path, body, headers, serviceUrl);
    recording.answer(this, { method, path, headers }, answer);
    refuseUndocumented(method, path, answer.status, answer.body);
    return answer;
  }

  async ask<Body>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
    serviceUrl = this.serviceUrl,
  ): Promise<Answer<Body>> {
    const response = await fetch(serviceUrl + path, {
      method,
      headers: {
        authorization: `Bearer ${API_KEY}`,
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isStream = response.headers.get('content-type') === 'text/event-stream';
    return {
      status: response.status,
      headers: response.headers,
      body: (isStream ? text : text ? JSON.parse(text) : null) as Body,
    };
  }

  start({ accountId, userId }: Subject, more: object = {}, headers: Record<string, string> = {}) {
    return this.call('POST', '/v1/onboardings', { subject: { accountId, userId }, ...more }, headers);
  }

  get(id: string) {
    return this.call('GET', `/v1/onboardings/${id}`);
  }

  verify(id: string, code: string, headers: Record<string, string> = {}) {
    return this.call('POST', `/v1/onboardings/${id}/otp/verify`, { code }, headers);
  }

  resend(id: string, headers: Record<string, string> = {}) {
    return this.call('POST', `/v1/onboardings/${id}/otp/resend`, {}, headers);
  }

  /** Waits until the onboarding accepts another resend. */
  async cooledDown(id: string): Promise<void> {
    await this.until(id, ({ otp }) => Date.parse(otp.resendAvailableAt ?? '') <= Date.now());
  }

  cancel(id: string) {
    return this.call('POST', `/v1/onboardings/${id}/cancel`, { reason: 'story' });
  }

  resolve(id: string, outcome: 'done' | 'not_done') {
    return this.call('POST', `/v1/onboardings/${id}/resolve`, { outcome, reason: 'asked the user' });
  }

  async challenge(id: string): Promise<string> {
    const { status, body } = await this.call<{ challenge: string }>(
      'POST',
      `/v1/onboardings/${id}/authenticators/options`,
      { userName: 'ana@example.com' },
    );
    if (status !== 200) throw new Error(`options answered ${status}: ${JSON.stringify(body)}`);
    return body.challenge;
  }

  /** @returns a passkey for a new challenge, as a browser returns it. */
  async passkey(id: string, lies: Partial<PasskeyOptions> = {}) {
    const challenge = await this.challenge(id);
    return {
      authenticatorName: "Ana's phone",
      credential: createPasskey({ rpId: RP_ID, origin: ORIGIN, challenge, ...lies }),
    };
  }

  register(id: string, authenticators: unknown[], headers: Record<string, string> = {}) {
    return this.call('POST', `/v1/onboardings/${id}/authenticators`, { authenticators }, headers);
  }

  code({ email }: Subject): string {
    const [mail] = this.sandbox.control.mails({ email });
    if (!mail) throw new Error(`no mail to ${email}`);
    return mail.code;
  }

  wrongCode(subject: Subject): string {
    return this.code(subject) === '000000' ? '000001' : '000000';
  }

  /** Starts an onboarding, whose first code may not be sent yet. */
  async started(subject: Subject, more: object = {}): Promise<OnboardingResource> {
    const { status, body } = await this.start(subject, more);
    if (status !== 201 && status !== 202)
      throw new Error(`start answered ${status}: ${JSON.stringify(body)}`);
    return body;
  }

  async sent(subject = this.newSubject()): Promise<{ id: string; subject: Subject }> {
    const { status, body } = await this.start(subject);
    if (status !== 201) throw new Error(`start answered ${status}: ${JSON.stringify(body)}`);
    return { id: body.id, subject };
  }

  async verified(subject = this.newSubject()): Promise<{ id: string; subject: Subject }> {
    const { id } = await this.sent(subject);
    const { status, body } = await this.verify(id, this.code(subject));
    if (status !== 200) throw new Error(`verify answered ${status}: ${JSON.stringify(body)}`);
    return { id, subject };
  }

  async events(id: string): Promise<TimelineEvent[]> {
    const { body } = await this.ask<{ items: TimelineEvent[] }>(
      'GET',
      `/v1/onboardings/${id}/events?limit=1000`,
    );
    return body.items;
  }

  async eventTypes(id: string): Promise<string[]> {
    return (await this.events(id)).map((event) => event.type);
  }

  /** @returns the subject's requests at the sandbox, with their answers. */
  journal({ userId }: Subject): { route: string; effect: object | null; answer: unknown }[] {
    return this.sandbox.control
      .requests({ userId })
      .map(({ route, effect, answer }) => ({ route, effect, answer }));
  }

  /** @returns how many of the subject's requests this route of the sandbox has received. */
  calls(subject: Subject, route: string): number {
    return this.journal(subject).filter((request) => request.route === route).length;
  }

  async until(
    id: string,
    wanted: string | ((onboarding: OnboardingResource) => boolean),
    withinMs = 60_000,
  ): Promise<OnboardingResource> {
    const holds = typeof wanted === 'string' ? (each: OnboardingResource) => each.state === wanted : wanted;
    const deadline = performance.now() + withinMs;
    for (;;) {
      // Do not record these reads, because their number depends on timing.
      const { body } = await this.ask<OnboardingResource>('GET', `/v1/onboardings/${id}`);
      if (holds(body)) return body;
      if (performance.now() > deadline) {
        throw new Error(
          `still not ${String(wanted)}: ${JSON.stringify(body)}\n${JSON.stringify(await this.events(id))}`,
        );
      }
      await pause(20);
    }
  }

  /** @returns the key of a subject that is identified by its contact. */
  blind(key: string): string {
    const hash = new KeyedHash(Buffer.from(this.env['HASH_KEY']!, 'base64'));
    return `blind:${hash.digest('subject key', key).toString('base64url')}`;
  }

  async sql<Row>(text: string, values: unknown[] = []): Promise<Row[]> {
    const before = this.#database;
    if (before?.options.connectionString !== this.databaseUrl) {
      // Tests query often, and each connection costs PostgreSQL a new process.
      this.#database = new Pool({ connectionString: this.databaseUrl, max: 4, idleTimeoutMillis: 1_000 });
      this.#database.on('error', () => undefined); // after an outage, the next query opens a new connection
      await before?.end();
    }
    return (await this.#database!.query(text, values)).rows as Row[];
  }
}
