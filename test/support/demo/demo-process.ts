import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { OnboardingResource } from '../../../apps/onboarding/src/onboarding.dto.js';
import { API_KEY, type Answer, type Story } from '../story.js';

const MAIN = join(import.meta.dirname, '../../../apps/demo/src/main.js');

/** What the demo's page is answered: a part of the onboarding, or a problem. */
export type DemoAnswer = Answer<
  OnboardingResource & {
    code: string;
    detail: string;
    attemptsLeft: number;
    errors: object[];
    email: string;
    of?: string;
  }
>;

/** The demo in a process of its own, as `node apps/demo/src/main.js` starts it. */
export class DemoProcess {
  private constructor(
    readonly url: string,
    readonly child: ChildProcess,
  ) {}

  /** @param main another copy of it, with its own folder of dependencies. */
  static async start(story: Story, env: Record<string, string> = {}, main = MAIN): Promise<DemoProcess> {
    const child = spawn(process.execPath, [main], {
      env: {
        DEMO_PORT: '0',
        GANGWAY_URL: story.serviceUrl,
        GANGWAY_API_KEY: API_KEY,
        SANDBOX_URL: story.sandbox.url,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    story.atEnd(async () => {
      const gone = child.exitCode ?? child.signalCode ?? once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    });
    return new DemoProcess(await addressSaid(child), child);
  }

  /** Somebody's browser, with a cookie of its own. */
  browser(): DemoBrowser {
    return new DemoBrowser(this.url);
  }
}

export class DemoBrowser {
  cookie = '';
  /** Which onboarding its tab shows. */
  of = '';

  constructor(private readonly url: string) {}

  get(path = ''): Promise<DemoAnswer> {
    return this.#send(path, {});
  }

  post(path: string, body?: object): Promise<DemoAnswer> {
    return this.#send(path, {
      method: 'POST',
      ...(body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
  }

  /** As EventSource asks; the answer's body is still under way. */
  events(lastEventId?: string, signal?: AbortSignal): Promise<Response> {
    return fetch(`${this.url}/api/onboarding/events?of=${this.of}`, {
      headers: { cookie: this.cookie, ...(lastEventId && { 'last-event-id': lastEventId }) },
      signal: signal ?? null,
    });
  }

  async #send(path: string, init: RequestInit): Promise<DemoAnswer> {
    const response = await fetch(`${this.url}/api/onboarding${path}`, {
      ...init,
      headers: { ...init.headers, 'x-onboarding': this.of, ...(this.cookie && { cookie: this.cookie }) },
    });
    const [set] = response.headers.getSetCookie();
    if (set) this.cookie = set.split(';')[0]!;
    const body = (await response.json()) as DemoAnswer['body'];
    if (response.ok && body.state) this.of = body.of ?? '';
    return { status: response.status, headers: response.headers, body };
  }
}

/** @throws Error with all that it said, if it ends instead. */
async function addressSaid(child: ChildProcess): Promise<string> {
  let said = '';
  const address = new Promise<string>((resolve) => {
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', (chunk: Buffer) => {
        said += String(chunk);
        const url = /listening on (http:\/\/\S+)/.exec(said)?.[1];
        if (url) resolve(url);
      });
    }
  });
  const ended = once(child, 'close').then(() => {
    throw new Error(`the demo did not start: ${said}`);
  });
  ended.catch(() => undefined);
  return Promise.race([address, ended]);
}
