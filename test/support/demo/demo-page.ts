import type { Locator, Page } from 'playwright-core';
import { VirtualAuthenticator, type AuthenticatorKind } from '../browser/virtual-authenticator.js';

/** A submission of passkeys, as the page sends it to the demo. */
export interface Submission {
  credentials: { name: string; credential: { id: string } }[];
}

/** What the demo answers to a request for options, as far as stories tamper with it. */
export interface CreationOptions {
  challenge: string;
  timeout?: number;
  excludeCredentials: { id: string }[];
  authenticatorSelection: Record<string, string>;
}

/** What Chromium signed to prove that somebody has a passkey; all base64url. */
export interface Assertion {
  id: string;
  response: { authenticatorData: string; clientDataJSON: string; signature: string };
}

/** The demo's page, by what a person sees and hears of it: roles, names and labels, and no selector. */
export class DemoPage {
  constructor(readonly page: Page) {}

  /** The one thing to do, or to know, at the moment. */
  async at(title: string | RegExp): Promise<void> {
    await this.page.getByRole('heading', { level: 1, name: title }).waitFor();
  }

  /** What went wrong, once it says so. */
  async problem(words: string | RegExp): Promise<void> {
    await this.page.getByRole('alert').getByText(words).waitFor();
  }

  /** What the user asked for has been answered. */
  async settled(): Promise<void> {
    await this.page.locator('[aria-busy="true"]').waitFor({ state: 'detached' });
  }

  /** That what is typed or pressed next goes there. */
  async focused(control: Locator): Promise<void> {
    await control.and(this.page.locator(':focus')).waitFor();
  }

  /** Goes there by the Tab key. */
  async tabTo(control: Locator): Promise<void> {
    for (let presses = 0; presses < 20; presses++) {
      if (await control.and(this.page.locator(':focus')).isVisible()) return;
      await this.page.keyboard.press('Tab');
    }
    throw new Error(`the Tab key does not lead to ${control}`);
  }

  /** Controls without a name or too small for a finger, what is unlabelled, and whatever is wider than the window. */
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

  /** Asks for a new code, as soon as that is possible. */
  async resend(): Promise<void> {
    await this.page.getByRole('button', { name: 'Send a new code', disabled: false }).click();
    await this.at('Check your mail');
    await this.settled();
  }

  /** The names of the passkeys in a list. */
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

  /** Has the passkey sign a challenge, as a website does that lets its owner in. */
  signIn(credentialId: string): Promise<Assertion> {
    return this.page.evaluate<Assertion>(`navigator.credentials.get({ publicKey: {
      rpId: 'localhost',
      challenge: crypto.getRandomValues(new Uint8Array(32)),
      allowCredentials: [{ type: 'public-key', id: Uint8Array.fromBase64('${credentialId}', { alphabet: 'base64url' }) }],
      userVerification: 'required',
      timeout: 5000,
    } }).then((assertion) => assertion.toJSON())`);
  }

  plug(kind: Partial<AuthenticatorKind> = {}): Promise<VirtualAuthenticator> {
    return VirtualAuthenticator.plugInto(this.page, kind);
  }

  /** Somebody between server and page changes what the device is asked for, until the end that is returned. */
  async tamper(change: (options: CreationOptions) => object): Promise<() => Promise<void>> {
    await this.page.route('**/passkeys/options', async (route) => {
      const response = await route.fetch();
      const options = (await response.json()) as CreationOptions;
      await route.fulfill({ response, json: { ...options, ...change(options) } });
    });
    return () => this.page.unroute('**/passkeys/options');
  }
}
