import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { until } from '#libs/testing';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** The path of a Chromium: `CHROMIUM`, or one in the PATH; null where there is none. */
export function findChromium(): string | null {
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const paths = folders.flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return [process.env['CHROMIUM'] ?? '', ...paths].find(isProgram) ?? null;
}

function isProgram(path: string): boolean {
  try {
    if (path) accessSync(path, constants.X_OK);
    return path !== '';
  } catch {
    return false;
  }
}

type Message = {
  id?: number;
  method?: string;
  params?: unknown;
  result?: unknown;
  error?: { message: string };
};

/** One page of a real browser, by the DevTools protocol itself: what is needed of it is too little for a library. */
export class ChromiumPage {
  /** What the browser refused, and what the page's scripts threw. */
  readonly complaints: string[] = [];
  readonly #asked = new Map<number, (message: Message) => void>();
  #close!: () => Promise<void>;
  #socket!: WebSocket;
  #session: string | undefined;

  static async open(chromium: string): Promise<ChromiumPage> {
    const profile = mkdtempSync(join(tmpdir(), 'gangway-chromium-'));
    const flags = [
      '--headless=new',
      '--no-sandbox',
      '--remote-debugging-port=0',
      `--user-data-dir=${profile}`,
    ];
    const child = spawn(chromium, [...flags, 'about:blank'], { stdio: ['ignore', 'ignore', 'pipe'] });
    const page = new ChromiumPage();
    page.#close = async () => {
      page.#socket?.close();
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
      // Its own children may hold the pipe open a little longer, and jest with it.
      child.stderr.destroy();
      await rm(profile, { recursive: true, force: true, maxRetries: 5 });
    };
    for await (const line of createInterface({ input: child.stderr })) {
      const url = /^DevTools listening on (ws:\S+)/.exec(line)?.[1];
      if (!url) continue;
      await page.#connect(url);
      return page;
    }
    throw new Error('Chromium did not start');
  }

  close(): Promise<void> {
    return this.#close();
  }

  /** Goes somewhere, and waits until the page is what it should be. */
  async goTo(url: string, selector: string): Promise<void> {
    await this.#ask('Page.navigate', { url });
    await this.shows(selector);
  }

  shows(selector: string): Promise<unknown> {
    const found = `!!document.querySelector(${JSON.stringify(selector)})`;
    return until(selector, () => this.run(found).catch(() => false), 15_000);
  }

  /** Evaluates an expression in the page. */
  async run(expression: string): Promise<unknown> {
    const answer = await this.#ask('Runtime.evaluate', {
      expression,
      returnByValue: true,
      awaitPromise: true,
    });
    return (answer as { result: { value?: unknown } }).result.value;
  }

  async #connect(url: string): Promise<void> {
    this.#socket = new WebSocket(url);
    await once(this.#socket, 'open');
    this.#socket.addEventListener('message', ({ data }) => this.#hear(JSON.parse(String(data)) as Message));
    const { targetId } = (await this.#ask('Target.createTarget', { url: 'about:blank' })) as {
      targetId: string;
    };
    const attached = await this.#ask('Target.attachToTarget', { targetId, flatten: true });
    this.#session = (attached as { sessionId: string }).sessionId;
    for (const domain of ['Page', 'Runtime', 'Log', 'Audits']) await this.#ask(`${domain}.enable`);
  }

  #ask(method: string, params: object = {}): Promise<unknown> {
    const id = this.#asked.size + 1;
    this.#socket.send(
      JSON.stringify({ id, method, params, ...(this.#session && { sessionId: this.#session }) }),
    );
    return new Promise((resolve, reject) => {
      this.#asked.set(id, ({ result, error }) =>
        error ? reject(new Error(`${method}: ${error.message}`)) : resolve(result),
      );
    });
  }

  #hear({ id, method, params, ...answer }: Message): void {
    if (id !== undefined) return this.#asked.get(id)?.(answer);
    const text = JSON.stringify(params);
    if (method === 'Runtime.exceptionThrown') this.complaints.push(text);
    if (method === 'Audits.issueAdded' && text.includes('ContentSecurityPolicy')) this.complaints.push(text);
    if (method === 'Log.entryAdded' && text.includes('"source":"security"')) this.complaints.push(text);
  }
}
