import type { Page } from 'playwright-core';
import type { Role } from '#libs/operators';
import { ConsoleBrowser } from '../console-browser.js';
import type { Story } from '../story.js';
import type { RealBrowser, WatchedPage } from './browser.js';

/** Opens a page of Chromium in which an operator is logged in to the console. */
export async function openConsole(browser: RealBrowser, story: Story, role: Role): Promise<WatchedPage> {
  const watched = await browser.open({ baseURL: story.consoleUrl });
  const [name, value] = (await ConsoleBrowser.as(role, story)).session!;
  await watched.page.context().addCookies([{ name, value, url: story.consoleUrl }]);
  return watched;
}

/** Opens an action's details, gives the reason and presses the button of the same name. */
export async function act(page: Page, action: string, reason: string, button = action): Promise<void> {
  await page.locator('summary', { hasText: action }).click();
  const form = page.locator('details[open] form', { has: page.getByRole('button', { name: button }) });
  await form.getByLabel('Reason').fill(reason);
  await form.getByRole('button', { name: button }).click();
}
