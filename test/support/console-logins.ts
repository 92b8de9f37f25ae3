import { expect } from '@jest/globals';
import type { ConsoleBrowser } from './console-browser.js';
import { tokenOf } from './console-browser.js';
import type { Reply } from './http-exchange.js';
import type { AccountName, IdentityProvider } from './identity-provider.js';
import { OPS_PASSWORD } from './story.js';

export const pathOf = (address: string): string => {
  const { pathname, search } = new URL(address);
  return pathname + search;
};

/** @returns the identity provider's URL */
export async function beginAt(browser: ConsoleBrowser, next = '/'): Promise<URL> {
  const begun = await browser.visit(`/login/oidc?${new URLSearchParams({ next }).toString()}`);
  expect(begun.status).toBe(303);
  return new URL(String(begun.headers['location']));
}

export async function byProvider(
  browser: ConsoleBrowser,
  provider: IdentityProvider,
  account: AccountName | null,
  next?: string,
): Promise<Reply> {
  const url = await beginAt(browser, next);
  return callBack(browser, await provider.logIn(url.href, account));
}

export const callBack = (browser: ConsoleBrowser, address: string): Promise<Reply> =>
  browser.visit(pathOf(address), { 'sec-fetch-site': 'cross-site' });

/** Logs in at the emergency login. */
export async function byPassword(
  browser: ConsoleBrowser,
  { name = 'vera', password = OPS_PASSWORD, ...more }: Record<string, string> = {},
): Promise<Reply> {
  const token = tokenOf(await browser.visit('/login'));
  return browser.post('/login/emergency', { name, password, token, ...more });
}

/** Logs in with a one-time login link. */
export async function byLink(browser: ConsoleBrowser, address: string): Promise<Reply> {
  const page = await browser.visit(pathOf(address), { 'sec-fetch-site': 'none' });
  const link = new URL(address).searchParams.get('token') ?? '';
  return browser.post('/login/link', { link, token: tokenOf(page) });
}

export async function whoIs(browser: ConsoleBrowser): Promise<string | null> {
  const page = await browser.visit('/sessions');
  if (page.status === 303) return null;
  expect(page.status).toBe(200);
  const [, name, role] = /<a href="\/sessions">([^<]*) <small>\((\w+)\)<\/small>/.exec(page.text) ?? [];
  return `${name} ${role}`;
}
