import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { until } from '#libs/testing';
import { RealBrowser, describeInBrowser, type WatchedPage } from '../../support/browser/browser.js';
import { keepScreenshots } from '../../support/browser/screenshots.js';
import { OPS_PASSWORD, Story } from '../../support/story.js';

describeInBrowser('the console’s pages under their Content-Security-Policy', () => {
  let story: Story;
  let browser: RealBrowser;
  let watched: WatchedPage;
  beforeAll(async () => {
    story = await Story.begin();
    browser = await RealBrowser.launch();
  });
  beforeEach(async () => {
    watched = await browser.open({ baseURL: story.serviceUrl });
  });
  afterEach(() => watched.page.context().close());
  afterAll(async () => {
    await browser?.close();
    await story?.end();
  });

  it('let an operator log in, use the board and log out, without a violation', async () => {
    const { page, complaints } = watched;
    await page.goto('/ops');
    expect(await keepScreenshots(page, 'console-login')).toEqual([]);
    await page.fill('#name', 'ops');
    await page.fill('#password', OPS_PASSWORD);
    await page.click('form.login button');
    await page.waitForSelector('header form[action="/ops/logout"]');
    await keepScreenshots(page, 'console');
    // The stylesheet sets this margin. If the policy blocked the stylesheet, the browser's default margin
    // would stay.
    expect(await page.evaluate('getComputedStyle(document.body).margin')).toBe('0px');

    await page.goto('/ops/queues/queue/upkeep');
    await page.waitForSelector('a[href*="/queue/steps"]');
    const paused = await page.evaluate(
      `fetch('/ops/queues/api/queues/expiry/pause', { method: 'PUT' }).then(({ status }) => status)`,
    );
    expect(paused).toBe(200);
    expect(await page.evaluate('document.cookie')).toBe('');

    await page.goto('/ops');
    await page.click('header button');
    await page.waitForSelector('form.login');
    expect(complaints).toEqual([]);
  });

  it('show the API’s routes without a violation', async () => {
    await watched.page.goto('/docs');
    await watched.page.waitForSelector('.swagger-ui .opblock');
    expect(watched.complaints).toEqual([]);
  });

  it('do not run an injected script, and the violation is reported', async () => {
    const { page, complaints } = watched;
    await page.goto('/ops/login');
    await page.evaluate(
      `document.body.append(
        Object.assign(document.createElement('script'), { textContent: 'globalThis.ran = 1' }),
      )`,
    );
    expect(await page.evaluate('globalThis.ran ?? null')).toBeNull();
    await until('a complaint', () => complaints.some((each) => each.startsWith('policy: ')));
  });
});
