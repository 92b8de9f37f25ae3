import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { Locator, Page } from 'playwright-core';
import { startSandbox } from '../../../apps/sandbox/src/sandbox.js';
import { RealBrowser, describeInBrowser, type WatchedPage } from '../../support/browser/browser.js';
import { keepScreenshots } from '../../support/browser/screenshots.js';
import { Story } from '../../support/story.js';

/** In a page that treats this as HTML, the browser throws an error or reports a violation. */
const HOSTILE = '<img src=x onerror="throw new Error(1)">@example.com';

describeInBrowser('the sandbox’s page', () => {
  let story: Story;
  let browser: RealBrowser;
  let watched: WatchedPage;
  let page: Page;
  beforeAll(async () => {
    story = await Story.begin();
    browser = await RealBrowser.launch();
  });
  beforeEach(async () => {
    story.sandbox.control.reset();
    watched = await browser.open({ permissions: ['clipboard-read', 'clipboard-write'] });
    page = watched.page;
    await page.goto(`${story.sandbox.url}/_sandbox/`);
  });
  afterEach(async () => {
    expect(watched.complaints).toEqual([]);
    await page.context().close();
  });
  afterAll(async () => {
    await browser?.close();
    await story?.end();
  });

  const list = (name: string) => page.getByRole('list', { name });
  const mails = () => list('Mails, newest first').locator(':scope > li');
  const steps = () => list('Steps, newest first').locator(':scope > li');
  const triesOf = (step: Locator) => step.getByRole('listitem');
  const button = (name: string | RegExp) => page.getByRole('button', { name });

  it('the sandbox’s page shows a mail as it arrives, newest first, and copies its code', async () => {
    await page.getByText('No mail yet').waitFor();
    const [ana, ben] = [story.newSubject(), story.newSubject()];
    await story.start(ana);
    await mails().getByText(ana.email).waitFor();
    await story.start(ben);
    await button(`Copy the code for ${ben.email}`).click();
    await page.getByRole('status').getByText('Copied').waitFor();

    expect(await page.evaluate('navigator.clipboard.readText()')).toBe(story.code(ben));
    expect(await mails().locator('.to').allTextContents()).toEqual([ben.email, ana.email]);
    expect(await keepScreenshots(page, 'sandbox-mails')).toEqual([]);
  });

  it('the sandbox’s page shows the mails of one address, by a link or by typing', async () => {
    const [ana, ben] = [story.newSubject(), story.newSubject()];
    for (const subject of [ana, ben]) await story.start(subject);
    await page.goto(`${story.sandbox.url}/_sandbox/?email=${encodeURIComponent(ana.email)}`);
    await mails().getByText(ana.email).waitFor();
    expect(await mails().count()).toBe(1);

    await page.getByLabel('Address').fill(ben.email);
    await mails().getByText(ben.email).waitFor();
    expect(await mails().count()).toBe(1);
    expect(new URL(page.url()).searchParams.get('email')).toBe(ben.email);
  });

  it('the sandbox’s page shows the tries after a 503 as one step of one user', async () => {
    await button('Answer 503 twice to the next code mail').click();
    await page.getByText('2 × to come').waitFor();
    const ana = story.newSubject();
    await story.start(ana);
    const step = steps().filter({ hasText: 'Code mail' });
    await step.getByText('3 tries').waitFor();
    expect(await triesOf(step).locator('.pill').allTextContents()).toEqual([
      '503 Unavailable',
      '503 Unavailable',
      '200 OK',
    ]);
    expect(await triesOf(step).locator('.struck').allTextContents()).toEqual([
      'fault: answered 503',
      'fault: answered 503',
      '',
    ]);
    await page.getByText('Everything works').waitFor();
    expect(await keepScreenshots(page, 'sandbox-retried')).toEqual([]);

    const ben = story.newSubject();
    await story.start(ben);
    await steps().getByText(ben.email).waitFor();
    await steps().getByRole('button', { name: ana.email }).click();
    await steps().getByText(ben.email).waitFor({ state: 'detached' });
    expect(await steps().count()).toBe(1);
    await button('Show all').click();
    await steps().getByText(ben.email).waitFor();
  });

  it('the sandbox’s page sets a fault, explains an invalid fault, and removes a fault', async () => {
    const ana = story.newSubject();
    await page.getByText('Another fault').click();
    await page.getByLabel('Applies to').selectOption('otp-auth');
    await page.getByLabel('What happens').selectOption('Do it, then answer a status');
    await page.getByLabel('Times').fill('0');
    await page.getByLabel('Only this user').fill('ana');
    await button('Set the fault').click();
    await page.getByRole('alert').getByText('userId').waitFor();
    await page.getByLabel('Only this user').fill(ana.userId);
    await button('Set the fault').click();

    await page.getByText('until deleted, user').waitFor();
    expect(story.sandbox.control.pendingFaults()).toMatchObject([
      { route: 'otp-auth', userId: ana.userId, remaining: null, effectFirst: true, answer: { status: 503 } },
    ]);
    await button(/^Delete/).click();
    await page.getByText('Everything works').waitFor();
    expect(story.sandbox.control.pendingFaults()).toEqual([]);
  });

  it('the sandbox’s page keeps selection and focus when new mails arrive', async () => {
    const ana = story.newSubject();
    await story.start(ana);
    await button(`Copy the code for ${ana.email}`).focus();
    await page.evaluate(`getSelection().selectAllChildren(document.querySelector('.code'))`);
    await story.start(story.newSubject());
    await mails().nth(1).waitFor();

    expect(await page.evaluate('String(getSelection())')).toBe(story.code(ana));
    expect(await page.evaluate(`document.activeElement.getAttribute('aria-label')`)).toContain(ana.email);
  });

  it('the sandbox’s page shows HTML in an address as text', async () => {
    const subject = { ...story.newSubject(), userId: randomUUID(), email: HOSTILE };
    story.sandbox.control.addSubject(subject);
    await story.start(subject);
    await mails().getByText(HOSTILE, { exact: true }).waitFor();
    await steps().getByText(HOSTILE, { exact: true }).waitFor();
    expect(await page.locator('main img').count()).toBe(0);
  });

  it('the sandbox’s page deletes everything, but only after a confirmation', async () => {
    await story.start(story.newSubject());
    await mails().first().waitFor();
    await button('Forget everything').click();
    await page.getByRole('dialog').getByRole('button', { name: 'Keep' }).click();
    expect(story.sandbox.control.mails()).toHaveLength(1);
    await button('Forget everything').click();
    expect(await keepScreenshots(page, 'sandbox-forget', ['light'])).toEqual([]);
    await page.getByRole('dialog').getByRole('button', { name: 'Forget everything' }).click();
    await page.getByText('No mail yet').waitFor();
    expect(story.sandbox.control.mails()).toEqual([]);
  });

  it('the sandbox’s page shows that the sandbox is down, and continues when it is back', async () => {
    const gone = await startSandbox();
    await page.goto(`${gone.url}/_sandbox/`);
    await page.getByText('No mail yet').waitFor();
    await gone.close();
    await page.getByRole('alert').getByText('The sandbox does not answer').waitFor();
    const back = await startSandbox({ port: Number(new URL(gone.url).port) });
    try {
      await page.getByText('The sandbox does not answer').waitFor({ state: 'hidden' });
    } finally {
      await back.close();
    }
  });

  it('the sandbox’s page has only controls that are large enough for a finger', async () => {
    await story.start(story.newSubject());
    await mails().first().waitFor();
    await page.getByText('Another fault').click();
    const small = await page.evaluate(`[...document.querySelectorAll('a, button, input, select, summary')]
      .filter((control) => control.checkVisibility() && control.getBoundingClientRect().height < 44)
      .map((control) => control.outerHTML)`);
    expect(small).toEqual([]);
  });
});
