import type { Role } from '#libs/operators';
import { ConsoleBrowser } from '../console-browser.js';
import type { Story } from '../story.js';
import type { RealBrowser, WatchedPage } from './browser.js';

export async function openConsole(browser: RealBrowser, story: Story, role: Role): Promise<WatchedPage> {
  const watched = await browser.open({ baseURL: story.consoleUrl });
  const [name, value] = (await ConsoleBrowser.as(role, story)).session!;
  await watched.page.context().addCookies([{ name, value, url: story.consoleUrl }]);
  return watched;
}
