import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Pool } from 'pg';
import { ownQueuePrefix, testDatabaseEnv, testDatabaseUrl, testRedisUrl } from '#libs/testing';
import { KeyedHash, parseConfig } from '#libs/platform';
import { PROVIDERS } from '#libs/upstream';
import { createApp } from '../../apps/onboarding/src/app.js';
import type { OnboardingResource } from '../../apps/onboarding/src/onboarding.dto.js';
import { startSandbox, type Sandbox, type SandboxOptions } from '../../apps/sandbox/src/sandbox.js';
import { createWorker, startJobs } from '../../apps/worker/src/app.js';
import { createPasskey, type PasskeyOptions } from '../../tools/passkey.js';
import { recording } from './recording.js';
import { TcpProxy } from './tcp-proxy.js';

export const API_KEY = 'key-of-the-tests-0123456789';
export const OPS_PASSWORD = 'password-of-the-tests';
export const RP_ID = 'app.example.com';
export const ORIGIN = 'https://app.example.com';

/** What scrypt does for one password, by N and r. */
export const ONE_SCRYPT = 2 ** 10 * 8;

/** Times short enough to be waited for. The lease is longer than call and claim together, as it must be. */
const SHORT = {
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
  // A millisecond, and not half a second, for each login.
  OPS_SCRYPT_LOG_N: '10',
  // Stories poll, and share one address and one Redis. Five digits: what is left must not look like a code of six.
  LOGIN_FAILURES_PER_MINUTE: '90000',
  RATE_LIMIT_CALLER_PER_MINUTE: '90000',
  RATE_LIMIT_SUBJECT_PER_MINUTE: '90000',
};

export interface Answer<Body = OnboardingResource & Problem> {
  status: number;
  headers: Headers;
  body: Body;
}

/** The members of a problem that stories look at. */
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

export interface StoryOptions {
  /** On top of the short times; what hangs on the sandbox is made of it. */
  env?: Record<string, string> | ((sandbox: Sandbox) => Record<string, string>);
  sandbox?: Omit<SandboxOptions, 'rpId' | 'origins'>;
  /** The website that passkeys are made at, where it is not {@link ORIGIN}; several origins of it are allowed. */
  website?: { rpId: string; origins: string[] };
  /** False where a story starts the worker by itself. */
  worker?: boolean;
  /** Servers that all apps reach through a proxy: see {@link Story.proxyTo}. */
  proxied?: Exclude<Proxied, 'service'>[];
}

/** A server that a proxy can stand before: the variable that names it, or the service itself. */
type Proxied = 'DATABASE_URL' | 'REDIS_URL' | 'INTEGRATION_BYZANTINE_BASE_URL' | 'service';

/** Service, worker and sandbox over real PostgreSQL and Redis, in this process, each on its own port. */
export class Story {
  readonly #closers: (() => Promise<unknown>)[] = [];
  readonly #proxies = new Map<Proxied, TcpProxy>();
  #database: Pool | undefined;
  sandbox!: Sandbox;
  service!: NestFastifyApplication;
  serviceUrl!: string;
  databaseUrl!: string;
  env!: Record<string, string>;

  static async begin(options: StoryOptions = {}): Promise<Story> {
    const story = new Story();
    const { rpId, origins } = options.website ?? { rpId: RP_ID, origins: [ORIGIN] };
    story.sandbox = await startSandbox({ rpId, origins, ...options.sandbox });
    story.#closers.push(() => story.sandbox.close());
    story.databaseUrl = await testDatabaseUrl();
    story.env = {
      NODE_ENV: 'test',
      LOG_LEVEL: process.env['TEST_LOG_LEVEL'] ?? 'silent',
      PORT: '0',
      WORKER_PORT: '0',
      ...(await testDatabaseEnv()),
      REDIS_URL: testRedisUrl(),
      QUEUE_PREFIX: ownQueuePrefix(),
      API_KEY,
      SEALING_KEYS: `test:${Buffer.alloc(32, 7).toString('base64')}`,
      HASH_KEY: Buffer.alloc(32, 9).toString('base64'),
      OPS_PASSWORD,
      INTEGRATIONS: 'byzantine',
      INTEGRATION_BYZANTINE_PROVIDER: 'byzantine',
      INTEGRATION_BYZANTINE_BASE_URL: story.sandbox.url,
      INTEGRATION_BYZANTINE_PRIVATE_KEY: story.sandbox.credential?.privateKeyHex ?? '',
      INTEGRATION_BYZANTINE_RP_ID: rpId,
      INTEGRATION_BYZANTINE_RP_NAME: 'Acme',
      INTEGRATION_BYZANTINE_ORIGINS: origins.join(','),
      ...SHORT,
      ...(typeof options.env === 'function' ? options.env(story.sandbox) : options.env),
    };
    try {
      for (const name of options.proxied ?? []) story.env[name] = (await story.proxyTo(name)).url;
      const { app, url } = await story.startService();
      story.service = app;
      story.serviceUrl = url;
      if (options.worker !== false) await story.startWorker();
      return story;
    } catch (error) {
      await story.end(); // or what was opened would keep jest from ending
      throw error;
    }
  }

  /** One more replica of the service. */
  async startService(
    env: Record<string, string> = {},
  ): Promise<{ app: NestFastifyApplication; url: string }> {
    const app = await createApp(parseConfig({ ...this.env, ...env }, PROVIDERS));
    await app.listen(0, '127.0.0.1');
    this.#closers.unshift(() => app.close());
    return { app, url: await app.getUrl() };
  }

  async startWorker(env: Record<string, string> = {}): Promise<NestFastifyApplication> {
    const app = await createWorker(parseConfig({ ...this.env, ...env }, PROVIDERS));
    await app.listen(0, '127.0.0.1');
    startJobs(app);
    this.#closers.unshift(() => app.close());
    return app;
  }

  /** The proxy before a server. It is started at the first call; who shall go through it takes its URL. */
  async proxyTo(server: Proxied): Promise<TcpProxy> {
    const before = this.#proxies.get(server);
    if (before) return before;
    const proxy = await TcpProxy.start(server === 'service' ? this.serviceUrl : this.env[server]!);
    this.#proxies.set(server, proxy);
    return proxy;
  }

  /** Has something more closed at the end, before what is there already. */
  atEnd(close: () => Promise<unknown>): void {
    this.#closers.unshift(close);
  }

  /** Stops service and workers, as for an outage; the sandbox stays. */
  async stop(): Promise<void> {
    await recording.timelines(this);
    for (const close of this.#closers.splice(0, this.#closers.length - 1)) await close();
  }

  async end(): Promise<void> {
    // Apps stop cleanly only if they reach their servers.
    for (const proxy of this.#proxies.values()) await proxy.mend();
    await recording.timelines(this);
    for (const close of this.#closers.splice(0)) await close();
    for (const proxy of this.#proxies.values()) await proxy.close();
    await this.#database?.end();
    this.#database = undefined;
  }

  /** A subject that the sandbox knows, never seen before. */
  newSubject(): Subject {
    const subject = { accountId: randomUUID(), userId: randomUUID() };
    const email = `${subject.userId}@example.com`;
    this.sandbox.control.addSubject({ ...subject, email });
    return { ...subject, email };
  }

  /** Calls the API, and has the answer recorded. */
  async call<Body = OnboardingResource & Problem>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
    /** Another replica's, where it matters which one is asked. */
    serviceUrl = this.serviceUrl,
  ): Promise<Answer<Body>> {
    const answer = await this.ask<Body>(method, path, body, headers, serviceUrl);
    recording.answer(this, { method, path, headers }, answer);
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

  /** Waits until another code may be asked for. */
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

  /** A software passkey for a fresh challenge, as the browser gives it. */
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

  /** The newest code that was mailed to the subject. */
  code({ email }: Subject): string {
    const [mail] = this.sandbox.control.mails({ email });
    if (!mail) throw new Error(`no mail to ${email}`);
    return mail.code;
  }

  /** A code that is surely wrong. */
  wrongCode(subject: Subject): string {
    return this.code(subject) === '000000' ? '000001' : '000000';
  }

  /** Starts an onboarding. Its code may still be on its way. */
  async started(subject: Subject, more: object = {}): Promise<OnboardingResource> {
    const { status, body } = await this.start(subject, more);
    if (status !== 201 && status !== 202)
      throw new Error(`start answered ${status}: ${JSON.stringify(body)}`);
    return body;
  }

  /** Starts and has the code sent. */
  async sent(subject = this.newSubject()): Promise<{ id: string; subject: Subject }> {
    const { status, body } = await this.start(subject);
    if (status !== 201) throw new Error(`start answered ${status}: ${JSON.stringify(body)}`);
    return { id: body.id, subject };
  }

  /** Starts and verifies. */
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

  /** Upstream requests of the subject that arrived, by route and what was answered. */
  journal({ userId }: Subject): { route: string; effect: object | null; answer: unknown }[] {
    return this.sandbox.control
      .requests({ userId })
      .map(({ route, effect, answer }) => ({ route, effect, answer }));
  }

  /** How many requests of the subject reached a route. */
  calls(subject: Subject, route: string): number {
    return this.journal(subject).filter((request) => request.route === route).length;
  }

  /** Waits until the onboarding is in a state, or until a condition on it holds. */
  async until(
    id: string,
    wanted: string | ((onboarding: OnboardingResource) => boolean),
    withinMs = 60_000,
  ): Promise<OnboardingResource> {
    const holds = typeof wanted === 'string' ? (each: OnboardingResource) => each.state === wanted : wanted;
    const deadline = performance.now() + withinMs;
    for (;;) {
      // Not recorded, because the number of reads depends on timing.
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

  /** The key that a subject which is its contact is kept under, by the document and not by the code. */
  blind(key: string): string {
    const hash = new KeyedHash(Buffer.from(this.env['HASH_KEY']!, 'base64'));
    return `blind:${hash.of('subject key', key).toString('base64url')}`;
  }

  /** Looks into the database, as only a test does. */
  async sql<Row>(text: string, values: unknown[] = []): Promise<Row[]> {
    const before = this.#database;
    if (before?.options.connectionString !== this.databaseUrl) {
      // Stories poll: a connection for each question would cost the server a process each.
      this.#database = new Pool({ connectionString: this.databaseUrl, max: 4, idleTimeoutMillis: 1_000 });
      this.#database.on('error', () => undefined); // cut by an outage: the next question opens another
      await before?.end();
    }
    return (await this.#database!.query(text, values)).rows as Row[];
  }
}
