import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { parseConfig, parseConsoleConfig } from '#libs/platform';
import { PROVIDERS } from '#libs/upstream';
import { createConsole } from '../../apps/console/src/app.js';
import { createApp } from '../../apps/onboarding/src/app.js';
import { startSandbox, type Sandbox, type SandboxOptions } from '../../apps/sandbox/src/sandbox.js';
import { createWorker, startJobs } from '../../apps/worker/src/app.js';
import { TcpProxy } from './tcp-proxy.js';

export type Env = Record<string, string>;

/** Servers that can have a proxy. Each name is the variable with the server's URL, except `service`. */
type Proxied = 'DATABASE_URL' | 'REDIS_URL' | 'INTEGRATION_BYZANTINE_BASE_URL' | 'service';

export interface WorldOptions {
  env?: Env | ((sandbox: Sandbox) => Env);
  sandbox?: SandboxOptions;
  /** False if the test starts it itself. */
  service?: boolean;
  /** False if the test starts it itself. */
  worker?: boolean;
  console?: boolean;
  /** Apps connect to these servers through {@link World.proxyTo}. */
  proxied?: Exclude<Proxied, 'service'>[];
  /** Called before an app listens. */
  prepare?: (app: NestFastifyApplication) => void;
}

/** Runs the sandbox, the service and the worker in this process. Does not need jest. */
export class World {
  readonly #proxies = new Map<Proxied, TcpProxy>();
  readonly #closers: (() => Promise<unknown>)[] = [];
  #prepare: (app: NestFastifyApplication) => void = () => undefined;
  sandbox!: Sandbox;
  service!: NestFastifyApplication;
  serviceUrl = '';
  console!: NestFastifyApplication;
  consoleUrl = '';
  env: Env = {};

  static async begin(options: WorldOptions): Promise<World> {
    const world = new World();
    await world.open(options);
    return world;
  }

  protected async open(options: WorldOptions): Promise<void> {
    this.sandbox = await startSandbox(options.sandbox);
    try {
      const { env = {}, prepare, proxied = [] } = options;
      this.env = { ...(typeof env === 'function' ? env(this.sandbox) : env) };
      if (prepare) this.#prepare = prepare;
      for (const name of proxied) this.env[name] = (await this.proxyTo(name)).url;
      if (options.service !== false) await this.startService();
      if (options.worker !== false) await this.startWorker();
      if (options.console) await this.startConsole();
    } catch (error) {
      await this.end(); // otherwise the open servers would keep jest running
      throw error;
    }
  }

  /** If no other service runs, the test's calls go to this one. */
  async startService(env: Env = {}): Promise<{ app: NestFastifyApplication; url: string }> {
    const app = await this.#listen(await createApp(this.#config(env)));
    const url = await app.getUrl();
    this.service ??= app;
    this.serviceUrl ||= url;
    return { app, url };
  }

  async startWorker(env: Env = {}): Promise<NestFastifyApplication> {
    const app = await this.#listen(await createWorker(this.#config(env)));
    startJobs(app);
    return app;
  }

  async startConsole(env: Env = {}): Promise<{ app: NestFastifyApplication; url: string }> {
    const { SEALING_KEYS: _sealing, API_KEY: _key, ...all } = { ...this.env, ...env };
    const own = Object.entries(all).filter(([name]) => !name.startsWith('INTEGRATION'));
    const config = parseConsoleConfig(Object.fromEntries(own));
    const app = await this.#listen(await createConsole(config), config.CONSOLE_PORT);
    const url = await app.getUrl();
    this.console ??= app;
    this.consoleUrl ||= url;
    return { app, url };
  }

  #config(env: Env) {
    return parseConfig({ ...this.env, ...env }, PROVIDERS);
  }

  async #listen(app: NestFastifyApplication, port = 0): Promise<NestFastifyApplication> {
    await app.init();
    this.#prepare(app);
    await app.listen(port, '127.0.0.1');
    this.atEnd(() => app.close());
    return app;
  }

  /** @returns the proxy in front of a server. The first call starts it. */
  async proxyTo(server: Proxied): Promise<TcpProxy> {
    const started = this.#proxies.get(server);
    if (started) return started;
    const proxy = await TcpProxy.start(server === 'service' ? this.serviceUrl : this.env[server]!);
    this.#proxies.set(server, proxy);
    return proxy;
  }

  async mend(): Promise<void> {
    for (const proxy of this.#proxies.values()) await proxy.mend();
  }

  /** Calls `close` at the end. The function that was added last runs first. */
  atEnd(close: () => Promise<unknown>): void {
    this.#closers.unshift(close);
  }

  /** Stops all apps, as in an outage. The sandbox and the proxies continue. */
  async stop(): Promise<void> {
    for (const close of this.#closers.splice(0)) await close();
    this.service = undefined!;
    this.serviceUrl = '';
    this.console = undefined!;
    this.consoleUrl = '';
  }

  async end(): Promise<void> {
    await this.mend(); // apps can stop cleanly only if they reach their servers
    await this.stop();
    for (const proxy of this.#proxies.values()) await proxy.close();
    await this.sandbox.close();
  }
}
