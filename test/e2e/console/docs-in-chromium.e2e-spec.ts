import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import type { Page } from 'playwright-core';
import { RealBrowser, describeInBrowser } from '../../support/browser/browser.js';
import { Story } from '../../support/story.js';

jest.setTimeout(120_000);

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

async function findings(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  return page.evaluate<string[]>(`axe.run({ resultTypes: ['violations'] }).then(({ violations }) =>
    violations.flatMap(({ id, impact, nodes }) =>
      nodes.map(({ html, any }) => [id, impact, html.slice(0, 120), any[0]?.message].join(' | '))))`);
}

/** Accepted faults, see docs/decisions/0033-the-docs-page.md. */
const ALLOWED: string[] = [];

describeInBrowser('the page /docs with all routes of the API', () => {
  let story: Story;
  let browser: RealBrowser;
  let page: Page;
  let complaints: string[];
  beforeAll(async () => {
    story = await Story.begin();
    browser = await RealBrowser.launch();
    ({ page, complaints } = await browser.open({
      viewport: { width: 1280, height: 800 },
      colorScheme: 'light',
    }));
    await page.goto(`${story.serviceUrl}/docs`);
    await page.locator('.opblock').first().waitFor();
  });
  afterAll(async () => {
    await browser?.close();
    await story?.end();
  });

  const expectOnlyAllowed = async () => expect(await findings(page)).toEqual(ALLOWED);

  it('axe finds no fault on /docs while all operations are collapsed', async () => {
    expect(await page.title()).toBe('Gangway API');
    await expectOnlyAllowed();
  });

  it('axe finds no fault on /docs in an expanded operation, nor while its body is edited', async () => {
    await page.getByRole('button', { name: 'Start an onboarding' }).press('Enter');
    await page.locator('.opblock-body .microlight').first().waitFor();
    await expectOnlyAllowed();
    await page.getByRole('button', { name: 'Try it out' }).press('Enter');
    await page.getByRole('textbox', { name: 'Request body' }).waitFor();
    await expectOnlyAllowed();
  });

  it('axe finds no fault on /docs in an answer, nor in an operation with parameters', async () => {
    await page.getByRole('button', { name: 'Execute' }).press('Enter');
    await page.locator('.live-responses-table').first().waitFor();
    await expectOnlyAllowed();
    await page.getByRole('button', { name: 'Start an onboarding' }).press('Enter');
    await page.getByRole('button', { name: 'List onboardings' }).press('Enter');
    await page.getByRole('button', { name: 'Try it out' }).press('Enter');
    await page.getByRole('combobox', { name: 'parked' }).waitFor();
    await expectOnlyAllowed();
  });

  it('/docs moves the focus into the token dialog and back, and Escape closes the dialog', async () => {
    const focused = () =>
      page.evaluate<string>('document.activeElement.id || document.activeElement.className');
    const before = await page.locator('.btn.authorize').getAttribute('class');
    await page.locator('.btn.authorize').press('Enter');
    await page.getByRole('dialog', { name: 'Available authorizations' }).waitFor();
    expect(await focused()).toBe('auth-bearer-value');
    await expectOnlyAllowed();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'detached' });
    expect(await focused()).toBe(before);
  });

  it('/docs has one tab stop per link and button, and obeys its Content-Security-Policy', async () => {
    expect(await page.locator('button a[href]').count()).toBe(0);
    expect(complaints).toEqual([]);
  });
});
