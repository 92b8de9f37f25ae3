import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { DataKeys } from '#libs/onboarding';
import { Sealer } from '#libs/platform';
import { KmsStandIn, testDatabaseUrl, testRedisUrl } from '#libs/testing';
import type { AppProcess } from '../../../support/app-process.js';
import type { Reply } from '../../../support/http-exchange.js';
import { IdentityProvider } from '../../../support/identity-provider.js';
import { OtlpReceiver } from '../../../support/otlp-receiver.js';
import { SecretHunt } from '../../../support/secret-hunt.js';
import { Sinks } from '../../../support/sinks.js';
import { Story, type Answer, type Subject } from '../../../support/story.js';
import { TokenIssuer } from '../../../support/token-issuer.js';
import { integrations, newKey, type Keys } from './integrations.js';
import { openRoles, type Roles } from './roles.js';
import { UpstreamMirror, type Echo } from './upstream-mirror.js';

/** A code of the maximum length. No other text looks like it. */
export const WRONG_CODE = 'Canary7X9';

/** The flows are sampled at this interval, because a secret must not be readable even for a moment. */
const SAMPLE_EVERY_MS = 1_000;
const PATIENCE_MS = 30_000;

interface Sink {
  texts: Set<string>;
  /** The kinds of secrets that may appear here, because only their owner sees this place. */
  may: ReadonlySet<string>;
}

export interface Find {
  kind: string;
  sink: string;
  around: string;
}

export const unique = (name = 'canary') => `${name}-${randomBytes(24).toString('base64url')}`;

/** Known secrets, the apps that handle them, and all places (sinks) where one could appear. */
export class Canary {
  readonly hunt = new SecretHunt();
  readonly #sinks = new Map<string, Sink>();
  readonly #closers: (() => unknown)[] = [];
  readonly apiKey = unique('dev');
  readonly opsPassword = unique('ops');
  readonly awsSessionToken = unique('aws');
  story!: Story;
  mirror!: UpstreamMirror;
  issuer!: TokenIssuer;
  kms!: KmsStandIn;
  receiver!: OtlpReceiver;
  service!: AppProcess;
  worker!: AppProcess;
  databaseSinks!: Sinks;
  console!: AppProcess;
  provider!: IdentityProvider;
  loginLink = '';
  #sampling = true;
  #sampler!: Promise<void>;
  #ring!: Sealer;

  static async begin(): Promise<Canary> {
    const canary = new Canary();
    try {
      await canary.#begin();
    } catch (error) {
      await canary.end();
      throw error;
    }
    return canary;
  }

  secret(kind: string, secret: string, bytes?: Uint8Array): void {
    this.hunt.add(kind, secret, bytes);
  }

  /**
   * Stores a text of the place `sink`, to be searched later.
   *
   * @param may the kinds of secrets that the place may show
   */
  put(sink: string, text: string, ...may: string[]): void {
    const { texts } = this.#sinkOf(sink, may);
    texts.add(text);
  }

  told(status: number, headers: Iterable<[string, unknown]>, body: string): void {
    const text = `${JSON.stringify([...headers])} ${body}`;
    if (status >= 400) this.put('error bodies', text);
    else this.put('answers to their callers', text, 'contact');
  }

  page(reply: Reply): Reply {
    const { 'set-cookie': _, ...headers } = reply.headers;
    this.put('console', `${JSON.stringify(headers)} ${reply.text}`, 'form token', 'login link');
    return reply;
  }

  textOf(sink: string): string {
    return [...(this.#sinks.get(sink)?.texts ?? [])].join('\n');
  }

  /** Adds the code that Byzantine has mailed to the secrets, and returns it. */
  code(subject: Subject): string {
    const code = this.story.code(subject);
    this.secret('mailed code', code);
    return code;
  }

  fault(route: string, { userId }: Subject, spec: object): void {
    this.story.sandbox.control.addFault({ route, match: { userId }, ...spec });
  }

  echo(word: string, echo: Echo): void {
    this.mirror.echo(word, echo);
  }

  async collect(): Promise<void> {
    this.#sampling = false;
    await this.#sampler;
    await this.#sample();
    this.put('sent to Redis', this.databaseSinks.sentToRedis());
    this.put('log of the service', this.service.said);
    this.put('log of the worker', this.worker.said);
    this.put('log of the console', this.console.said);
    this.put('headers upstream', this.mirror.headers.join('\n'));
    for (const text of this.receiver.texts) this.put('exported spans', text);
  }

  search(): {
    finds: Find[];
    sinks: { name: string; bytes: number; hits: number }[];
    kinds: Map<string, number>;
  } {
    const kinds = new Map<string, number>();
    for (const name of this.hunt.names) kinds.set(name, (kinds.get(name) ?? 0) + 1);
    const finds: Find[] = [];
    const sinks = [...this.#sinks].map(([name, { may }]) => {
      const text = this.textOf(name);
      const found = [...this.hunt.finds(text)].filter(([kind]) => !may.has(kind));
      for (const [kind, around] of found) finds.push({ kind, sink: name, around });
      return { name, bytes: text.length, hits: found.length };
    });
    return { finds, sinks, kinds };
  }

  async end(): Promise<void> {
    this.#sampling = false;
    await this.#sampler?.catch(() => undefined);
    for (const close of this.#closers.splice(0).reverse()) await close();
  }

  async #begin(): Promise<void> {
    const keys: Keys = { byzantine: [newKey(), newKey()], turnkey: [newKey(), newKey()] };
    this.kms = await this.#closing(await KmsStandIn.listen());
    this.issuer = await this.#closing(await TokenIssuer.start());
    this.provider = await IdentityProvider.start('http://console.example');
    this.#closers.push(() => this.provider.stop());
    this.secret('client secret', this.provider.consoleEnv['OIDC_CLIENT_SECRET']!);
    this.receiver = await this.#closing(await OtlpReceiver.listen());
    const receiverToken = unique('otlp');
    this.secret('receiver token', receiverToken);
    const aws = {
      ...KmsStandIn.credentials,
      AWS_SECRET_ACCESS_KEY: unique('aws'),
      AWS_SESSION_TOKEN: this.awsSessionToken,
    };
    const before = { ...process.env };
    Object.assign(process.env, aws);
    this.#closers.push(() => (process.env = before));
    const roles = await openRoles(await testDatabaseUrl(), testRedisUrl());
    this.#closers.push(() => roles.close());
    const remote = this.kms.createKey();
    this.mirror = await this.#closing(
      await UpstreamMirror.before(
        () => this.story.sandbox.url,
        (member, value) =>
          this.secret(/verification/.test(member) ? 'verification token' : 'upstream session', value),
      ),
    );
    const sealing = [randomBytes(32), randomBytes(32)] as const;
    const hashKey = randomBytes(32);
    this.story = await Story.begin({
      service: false,
      worker: false,
      sandbox: {
        pubkeys: [...keys.byzantine.map(({ publicKey }) => publicKey), remote.publicKeyHex].map(
          (key) => `0x${key}`,
        ),
        turnkey: { apiPublicKeys: keys.turnkey.map(({ publicKey }) => publicKey) },
      },
      env: (sandbox) => ({
        ...integrations(sandbox, this.mirror.url, keys, { arn: remote.arn, endpoint: this.kms.url }),
        ...this.issuer.env,
        ...this.provider.consoleEnv,
        ...aws,
        OTEL_EXPORTER_OTLP_ENDPOINT: this.receiver.url,
        OTEL_EXPORTER_OTLP_HEADERS: `authorization=Bearer%20${receiverToken}`,
        DATABASE_URL: roles.databaseUrl,
        REDIS_URL: roles.redisUrl,
        API_KEY: this.apiKey,
        OPS_PASSWORD: this.opsPassword,
        SEALING_KEYS: sealing.map((key, n) => `canary-${n}:${key.toString('base64')}`).join(),
        HASH_KEY: hashKey.toString('base64'),
        // With long timeouts, no answer is lost on a slow machine.
        CONNECT_TIMEOUT_MS: '10000',
        CALL_TIMEOUT_MS: '20000',
        CLAIM_MAX_AGE_MS: '9000',
        LEASE_MS: '30000',
        // Short, because the test reads each event stream to its end.
        EVENTS_STREAM_LIFE_MS: '500',
      }),
    });
    this.#closers.push(() => this.story.end());
    this.#ring = new Sealer(sealing.map((key, n) => ({ id: `canary-${n}`, key })));
    this.#know(keys, sealing, hashKey, roles, aws.AWS_SECRET_ACCESS_KEY);
    this.databaseSinks = await Sinks.open(this.story);
    this.#closers.push(() => this.databaseSinks.close());
    [this.service, this.worker, this.console] = await Promise.all([
      this.story.startProcess('onboarding', { LOG_LEVEL: 'debug' }),
      this.story.startProcess('worker', { LOG_LEVEL: 'debug' }),
      this.story.startProcess('console', { LOG_LEVEL: 'debug' }),
    ]);
    this.story.consoleUrl = this.console.url;
    this.#listen();
    this.#sampler = this.#keepSampling();
  }

  async #closing<T extends { close(): unknown }>(what: T): Promise<T> {
    this.#closers.push(() => what.close());
    return what;
  }

  #know(keys: Keys, sealing: readonly Buffer[], hashKey: Buffer, roles: Roles, awsSecret: string): void {
    for (const { privateKey } of [...keys.byzantine, ...keys.turnkey]) {
      this.secret('signing key', privateKey, Buffer.from(privateKey, 'hex'));
    }
    for (const key of sealing) this.secret('sealing key', key.toString('base64'), key);
    this.secret('hash key', hashKey.toString('base64'), hashKey);
    this.secret('API key of development', this.apiKey);
    this.secret('emergency password', this.opsPassword);
    this.secret('database password', roles.databasePassword);
    this.secret('Redis password', roles.redisPassword);
    this.secret('credential of AWS', awsSecret);
    this.secret('credential of AWS', this.awsSessionToken);
    this.secret('wrong code', WRONG_CODE);
    // All attestation objects and all client data begin like this.
    const attestation = Buffer.from('a363666d74646e6f6e65', 'hex');
    this.secret('attestation', attestation.toString('base64url'), attestation);
    this.secret('client data', '{"type":"webauthn.create"');
  }

  /** Makes all later calls send `apiKey`, and records their answers. */
  #listen(): void {
    const { story, apiKey } = this;
    const { ask, events, start, until } = story;
    const told = this.told.bind(this);
    story.ask = async function <Body>(
      this: Story,
      method: string,
      path: string,
      body?: unknown,
      headers: Record<string, string> = {},
      url?: string,
    ) {
      const all = { authorization: `Bearer ${apiKey}`, ...headers };
      const answer = (await ask.call(this, method, path, body, all, url)) as Answer<Body>;
      // The answer that creates an API key must contain its token, so the record leaves it out.
      const given = (answer.body as { token?: string } | null)?.token ?? '\0';
      told(answer.status, answer.headers, (JSON.stringify(answer.body) ?? '').replace(given, ''));
      return answer;
    };
    story.events = async (id) => {
      await story.call('GET', `/v1/onboardings/${id}/events/stream`);
      return events.call(story, id);
    };
    story.until = (id, wanted) => until.call(story, id, wanted, PATIENCE_MS);
    story.start = function (this: Story, subject, more, headers) {
      return start.call(this, subject, { integration: 'byzantine', ...more }, headers);
    };
  }

  async #keepSampling(): Promise<void> {
    while (this.#sampling) {
      await this.#sample();
      await pause(SAMPLE_EVERY_MS);
    }
  }

  async #sample(): Promise<void> {
    await this.#openRows();
    const { databaseSinks } = this;
    const [rows, statements, redis] = await Promise.all([
      databaseSinks.databaseDump(),
      databaseSinks.statements(),
      databaseSinks.redisDump(),
    ]);
    for (const line of rows.split('\n')) this.put('rows of PostgreSQL', line);
    for (const line of statements.split('\n')) this.put('statements at PostgreSQL', line);
    for (const line of redis.split('\n')) this.put('keys in Redis', line);
    for (const [name, app] of [
      ['service', this.service],
      ['worker', this.worker],
      ['console', this.console],
    ] as const) {
      for (const path of ['/metrics', '/health/ready']) {
        const text = await (await fetch(app.url + path)).text();
        // Measurements of the process may contain a code's six digits by chance.
        this.put(`${path.slice(1)} of the ${name}`, text.replace(/^((?:process|nodejs)_\S+) \S+$/gm, '$1'));
      }
    }
  }

  /** Adds the data key of each row and the session keys to the secrets. */
  async #openRows(): Promise<void> {
    const rows = await this.story.sql<Record<string, Buffer> & { id: string }>(
      `SELECT id, sealed_data_key, sealed_grant, sealed_requests
       FROM onboardings WHERE sealed_data_key IS NOT NULL`,
    );
    for (const { id, sealed_data_key: sealed, sealed_grant: grant, sealed_requests: requests } of rows) {
      const key = this.#ring.open({ onboardingId: id, field: 'data_key' }, sealed!);
      this.secret("onboarding's own key", key, Buffer.from(key, 'base64'));
      const sealer = new DataKeys(this.#ring).sealerOf({ id, sealedDataKey: sealed! });
      const open = [
        grant ? sealer.open({ onboardingId: id, field: 'grant' }, grant) : '',
        requests ? sealer.open({ onboardingId: id, field: 'requests' }, requests) : '',
      ].join('\n');
      for (const [, hex = ''] of open.matchAll(/(?:privateKey|session-key)\\?":\\?"([0-9a-f]{64})/g)) {
        this.secret('session key', hex, Buffer.from(hex, 'hex'));
      }
    }
  }

  #sinkOf(name: string, may: string[]): Sink {
    const known = this.#sinks.get(name);
    if (known) return known;
    const sink = { texts: new Set<string>(), may: new Set(may) };
    this.#sinks.set(name, sink);
    return sink;
  }
}
