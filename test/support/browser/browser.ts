import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { describe } from '@jest/globals';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** Searches only at the path in `CHROMIUM` if it is set, otherwise on the PATH. */
export function findChromium(): string | null {
  const given = process.env['CHROMIUM'];
  if (given) return isProgram(given) ? given : null;
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  return folders.flatMap((folder) => NAMES.map((name) => join(folder, name))).find(isProgram) ?? null;
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Without Chromium, the tests are skipped with a warning, or fail if `REQUIRE_CHROMIUM` is 1. */
export function describeInBrowser(what: string, stories: () => void): void {
  const wanted = findChromium() !== null || process.env['REQUIRE_CHROMIUM'] === '1';
  if (!wanted) process.stderr.write(`\nNOT TESTED: ${what}: there is no Chromium (set CHROMIUM)\n\n`);
  const describeOrSkip = wanted ? describe : describe.skip;
  describeOrSkip(what, () => stories());
}

export interface WatchedPage {
  page: Page;
  /** Violations of the Content-Security-Policy, script errors, and requests to other machines. */
  complaints: string[];
}

export class RealBrowser {
  readonly #browser: Browser;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async launch(): Promise<RealBrowser> {
    const executablePath = findChromium();
    if (executablePath === null) throw new Error('there is no Chromium: install one, or set CHROMIUM');
    // Chromium does not start its sandbox as root.
    const chromiumSandbox = process.getuid?.() !== 0;
    return new RealBrowser(await chromium.launch({ executablePath, chromiumSandbox }));
  }

  /** Opens a page that shares no cookies with other pages. */
  async open(options: BrowserContextOptions = {}): Promise<WatchedPage> {
    // Without a GPU, an animated spinner keeps a whole CPU core busy.
    const context = await this.#browser.newContext({ reducedMotion: 'reduce', ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    return { page, complaints: await complaintsOf(page) };
  }

  close(): Promise<void> {
    return this.#browser.close();
  }
}

async function complaintsOf(page: Page): Promise<string[]> {
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(`thrown: ${error.stack ?? error.message}`));
  page.on('console', (message) => {
    // Messages without arguments come from the browser: failed requests, and the policy violations below.
    if (message.type() === 'error' && message.args().length > 0)
      complaints.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url());
    if (/^(?:https?|wss?):$/.test(protocol) && !isOurs(hostname))
      complaints.push(`elsewhere: ${request.url()}`);
  });
  const devTools = await page.context().newCDPSession(page);
  devTools.on('Log.entryAdded', ({ entry }) => {
    if (entry.source === 'security') complaints.push(`security: ${entry.text}`);
  });
  devTools.on('Audits.issueAdded', ({ issue }) => {
    if (issue.code === 'ContentSecurityPolicyIssue')
      complaints.push(`policy: ${JSON.stringify(issue.details)}`);
  });
  await devTools.send('Log.enable');
  await devTools.send('Audits.enable');
  return complaints;
}

const isOurs = (host: string) => host === '127.0.0.1' || host === 'localhost' || host.endsWith('.localhost');
