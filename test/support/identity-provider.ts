import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { AppProcess } from './app-process.js';
import { closedPort } from './ports.js';
import type { Env } from './world.js';

const MAIN = join(import.meta.dirname, 'identity-provider-main.mjs');

/** For each account: the name, and then the groups. */
const ACCOUNTS = {
  vera: ['vera', 'gangway-viewers'],
  omar: ['omar', 'staff', 'gangway-viewers', 'gangway-oncall'],
  ada: ['ada', 'gangway-admins', 'gangway-viewers'],
  nina: ['nina', 'staff'],
  // Imitates an emergency login, and contains a character that reverses the text direction.
  mallory: ['emergency:\u202eada', 'gangway-viewers'],
};
export type AccountName = keyof typeof ACCOUNTS;

/** Runs oidc-provider in its own process. */
export class IdentityProvider {
  #process: AppProcess | null = null;

  private constructor(
    private readonly port: number,
    private readonly env: Env,
    readonly consoleOrigin: string,
  ) {}

  /**
   * @param consoleOrigin under which a browser reaches the console.
   * @param thin whether only the userinfo endpoint returns groups.
   * @param forged whether the provider signs with a key that it does not publish.
   */
  static async start(
    consoleOrigin: string,
    { thin = false, forged = false } = {},
  ): Promise<IdentityProvider> {
    const port = await closedPort();
    const env = {
      IDP_PORT: String(port),
      IDP_CONSOLE: consoleOrigin,
      IDP_CLIENT_SECRET: randomBytes(24).toString('base64url'),
      IDP_ACCOUNTS: JSON.stringify(ACCOUNTS),
      IDP_THIN: thin ? '1' : '0',
      IDP_FORGED: forged ? '1' : '0',
    };
    const provider = new IdentityProvider(port, env, consoleOrigin);
    await provider.resume();
    return provider;
  }

  get issuer(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get consoleEnv(): Env {
    return {
      CONSOLE_URL: this.consoleOrigin,
      OIDC_ISSUER: this.issuer,
      OIDC_CLIENT_ID: 'gangway-console',
      OIDC_CLIENT_SECRET: this.env['IDP_CLIENT_SECRET']!,
      OIDC_ROLES: 'gangway-viewers:viewer,gangway-oncall:operator,gangway-admins:admin',
    };
  }

  /** Starts the provider with new keys. */
  async resume(): Promise<void> {
    this.#process = await AppProcess.start(MAIN, this.env);
  }

  async stop(): Promise<void> {
    await this.#process?.end();
    this.#process = null;
  }

  /**
   * Logs in without a session at the provider.
   *
   * @param url to which the console has redirected the browser.
   * @param account null to refuse the login.
   * @returns the console's URL to which the provider redirects the browser
   */
  async logIn(url: string, account: AccountName | null): Promise<string> {
    const cookies = new Map<string, string>();
    const visit = async (address: string, init: RequestInit = {}): Promise<string> => {
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
      const reply = await fetch(address, {
        ...init,
        redirect: 'manual',
        headers: { ...init.headers, cookie },
      });
      for (const line of reply.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
        cookies.set(name, value);
      }
      const location = reply.headers.get('location');
      if (location === null) throw new Error(`${address} answered ${reply.status}: ${await reply.text()}`);
      return new URL(location, address).href;
    };
    const interaction = await visit(url);
    if (interaction.startsWith(this.consoleOrigin)) return interaction;
    const resumed = await visit(interaction, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams(account === null ? {} : { account }).toString(),
    });
    return visit(resumed);
  }
}
