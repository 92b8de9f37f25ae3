import { OperatorSessions, type Role } from '#libs/operators';
import { send, type Reply } from './http-exchange.js';
import type { Story } from './story.js';

type Headers = Record<string, string>;

/** Keeps cookies, and sends `Origin` and `Sec-Fetch-…` headers, as a browser does. */
export class ConsoleBrowser {
  readonly cookies = new Map<string, string>();
  readonly #story: Pick<Story, 'consoleUrl'>;
  readonly #always: Headers;

  /**
   * @param overTls whether `X-Forwarded-Proto` is `https`.
   * @param via the browser's IP address in `X-Forwarded-For`.
   */
  constructor(story: Pick<Story, 'consoleUrl'>, { overTls = false, via = '' } = {}) {
    this.#story = story;
    this.#always = {
      ...(overTls && { 'x-forwarded-proto': 'https' }),
      ...(via && { 'x-forwarded-for': via }),
    };
    this.address = via || '127.0.0.1';
    this.origin = overTls ? story.consoleUrl.replace('http:', 'https:') : story.consoleUrl;
  }

  readonly origin: string;
  /** The IP address that the console sees. */
  readonly address: string;

  get cookie(): string {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  get session(): [name: string, value: string] | undefined {
    return [...this.cookies].find(([name]) => name.endsWith('gangway_ops'));
  }

  visit(path: string, headers: Headers = {}): Promise<Reply> {
    return this.#send('GET', path, {
      'sec-fetch-mode': 'navigate',
      'sec-fetch-site': 'same-origin',
      ...headers,
    });
  }

  fetch(method: string, path: string, headers: Headers = {}, body?: string): Promise<Reply> {
    const from = { 'sec-fetch-mode': 'cors', 'sec-fetch-site': 'same-origin', origin: this.origin };
    return this.#send(method, path, { ...from, ...headers }, body);
  }

  post(path: string, fields: Headers, headers: Headers = {}): Promise<Reply> {
    return this.fetch(
      'POST',
      path,
      { 'sec-fetch-mode': 'navigate', 'content-type': 'application/x-www-form-urlencoded', ...headers },
      new URLSearchParams(fields).toString(),
    );
  }

  /** Creates a session without a login. */
  static async as(role: Role, story: Story, name = `an-${role}`): Promise<ConsoleBrowser> {
    const browser = new ConsoleBrowser(story);
    const identity = { how: 'oidc', identity: `test ${name}`, name, role } as const;
    const token = await story.console.get(OperatorSessions).begin(identity, '127.0.0.1');
    browser.cookies.set('gangway_ops', token);
    return browser;
  }

  async #send(method: string, path: string, headers: Headers, body?: string): Promise<Reply> {
    const cookie = this.cookie;
    const all = { ...this.#always, ...headers, ...(cookie && { cookie }) };
    const reply = await send({ serviceUrl: this.#story.consoleUrl }, method, path, {
      headers: all,
      ...(body !== undefined && { body }),
    });
    for (const line of setCookies(reply)) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
      if (value === '') this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return reply;
  }
}

export const setCookies = (reply: Reply) => [reply.headers['set-cookie'] ?? []].flat();

export function tokenOf({ text }: Reply): string {
  const token = /name="token" value="([^"]+)"/.exec(text)?.[1];
  if (token === undefined) throw new Error(`the page has no form:\n${text}`);
  return token;
}
