import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { STATE } from '../../../tools/checkout.js';

const FOLDER = process.env['SCREENSHOTS'] || join(STATE, 'screenshots');

const WINDOWS = [
  { width: 360, height: 740 },
  { width: 1280, height: 800 },
];

type Scheme = 'light' | 'dark';

/**
 * Saves screenshots of the whole page in the folder that `SCREENSHOTS` names.
 *
 * @param state such as `demo-code-asked`.
 * @returns the screenshots in which the page is wider than its window.
 */
export async function keepScreenshots(
  page: Page,
  state: string,
  schemes: readonly Scheme[] = ['light', 'dark'],
): Promise<string[]> {
  const before = page.viewportSize();
  const tooWide: string[] = [];
  for (const colorScheme of schemes) {
    await page.emulateMedia({ colorScheme });
    for (const window of WINDOWS) {
      const name = `${state}-${window.width}-${colorScheme}.png`;
      await page.setViewportSize(window);
      await page.screenshot({ path: join(FOLDER, name), fullPage: true, animations: 'disabled' });
      const width = await page.evaluate<number>('document.documentElement.scrollWidth');
      if (width > window.width) tooWide.push(name);
    }
  }
  await page.emulateMedia({ colorScheme: null });
  if (before) await page.setViewportSize(before);
  return tooWide;
}
