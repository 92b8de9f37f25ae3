import type { Locator, Page } from 'playwright-core';
import { VirtualAuthenticator, type AuthenticatorKind } from '../browser/virtual-authenticator.js';

export interface Submission {
  credentials: { name: string; credential: { id: string } }[];
}

export interface CreationOptions {
  challenge: string;
  timeout?: number;
  excludeCredentials: { id: string }[];
  authenticatorSelection: Record<string, string>;
}

/** All members are base64url. */
export interface Assertion {
  id: string;
  response: { authenticatorData: string; clientDataJSON: string; signature: string };
}

export class DemoPage {
  constructor(readonly page: Page) {}

  async at(title: string | RegExp): Promise<void> {
    await this.page.getByRole('heading', { level: 1, name: title }).waitFor();
  }

  async problem(words: string | RegExp): Promise<void> {
    await this.page.getByRole('alert').getByText(words).waitFor();
  }

  /** Waits until the page has handled the user's last action. */
  async settled(): Promise<void> {
    await this.page.locator('[aria-busy="true"]').waitFor({ state: 'detached' });
  }

  async focused(control: Locator): Promise<void> {
    await control.and(this.page.locator(':focus')).waitFor();
  }

  async tabTo(control: Locator): Promise<void> {
    for (let presses = 0; presses < 20; presses++) {
      if (await control.and(this.page.locator(':focus')).isVisible()) return;
      await this.page.keyboard.press('Tab');
    }
    throw new Error(`the Tab key does not lead to ${control}`);
  }

  /** @returns the HTML of each element with a fault, such as an input without a label. */
  faultsOfAccess(): Promise<string[]> {
    return this.page.evaluate<string[]>(`[
      ...[...document.querySelectorAll('input')].filter(({ labels }) => !labels.length),
      ...[...document.querySelectorAll('button, a')].filter(({ textContent }) => !textContent.trim()),
      ...[...document.querySelectorAll('main :is(button, a, input)')]
        .filter((control) => control.checkVisibility() && control.getBoundingClientRect().height < 44),
      ...(document.documentElement.scrollWidth > innerWidth ? [document.documentElement] : []),
      ...(document.querySelectorAll('h1').length === 1 ? [] : document.querySelectorAll('h1')),
    ].map(({ outerHTML }) => outerHTML.slice(0, 200))`);
  }

  heading(): Locator {
    return this.page.getByRole('heading', { level: 1 });
  }

  button(name: string | RegExp): Locator {
    return this.page.getByRole('button', { name });
  }

  async start(email: string): Promise<void> {
    await this.at('Set up your wallet');
    await this.page.getByLabel('Your e-mail').fill(email);
    await this.button('Send me a code').click();
    await this.at('Check your mail');
  }

  async enter(code: string): Promise<void> {
    await this.settled();
    await this.page.getByLabel('Code from the mail').fill(code);
    await this.button('Continue').click();
  }

  async create(name?: string): Promise<void> {
    if (name) await this.page.getByLabel('Name of this passkey').fill(name);
    await this.button('Create passkey').click();
  }

  async resend(): Promise<void> {
    await this.page.getByRole('button', { name: 'Send a new code', disabled: false }).click();
    await this.at('Check your mail');
    await this.settled();
  }

  passkeys(list: 'Your passkeys'): Promise<string[]> {
    return this.page
      .getByRole('list', { name: list })
      .getByRole('listitem')
      .getByRole('strong')
      .allTextContents();
  }

  timeline(words: string | RegExp): Locator {
    return this.page.getByRole('region', { name: 'Timeline' }).getByText(words);
  }

  signIn(credentialId: string): Promise<Assertion> {
    return this.page.evaluate<Assertion>(`navigator.credentials.get({ publicKey: {
      rpId: 'localhost',
      challenge: crypto.getRandomValues(new Uint8Array(32)),
      allowCredentials: [{
        type: 'public-key',
        id: Uint8Array.fromBase64('${credentialId}', { alphabet: 'base64url' }),
      }],
      userVerification: 'required',
      timeout: 5000,
    } }).then((assertion) => assertion.toJSON())`);
  }

  plug(kind: Partial<AuthenticatorKind> = {}): Promise<VirtualAuthenticator> {
    return VirtualAuthenticator.plugInto(this.page, kind);
  }

  /** Changes the creation options on their way to the page. @returns the undo function. */
  async tamper(change: (options: CreationOptions) => object): Promise<() => Promise<void>> {
    await this.page.route('**/passkeys/options', async (route) => {
      const response = await route.fetch();
      const options = (await response.json()) as CreationOptions;
      await route.fulfill({ response, json: { ...options, ...change(options) } });
    });
    return () => this.page.unroute('**/passkeys/options');
  }
}
