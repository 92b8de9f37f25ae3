import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { Queues } from '#libs/jobs';
import { ROLES, type Role } from '#libs/operators';
import { until } from '#libs/testing';
import { ConsoleBrowser } from '../../support/console-browser.js';
import { RealBrowser, describeInBrowser, type WatchedPage } from '../../support/browser/browser.js';
import { keepScreenshots } from '../../support/browser/screenshots.js';
import { Story } from '../../support/story.js';

const REASON = 'no handler for job "of-the-past"';
/** Scheduled jobs run rarely, because each run adds a job to the board's lists. */
const SELDOM = {
  EXPIRY_EVERY_MS: '30000',
  SWEEP_EVERY_MS: '30000',
  PROBE_EVERY_MS: '30000',
  CANARY_EVERY_MS: '30000',
};
const TIMEOUT_MS = 90_000;
const JOB = '/queues/queue/steps/unknown';

describeInBrowser('the queue board under its Content-Security-Policy', () => {
  let story: Story;
  let browser: RealBrowser;
  let watched: WatchedPage;
  beforeAll(async () => {
    story = await Story.begin({ env: SELDOM, console: true });
    browser = await RealBrowser.launch();
    const steps = story.service.get(Queues).get('steps');
    await steps.add('of-the-past', { onboardingId: 'of-the-past' }, { jobId: 'unknown' });
    await until('the job has failed', async () => (await steps.getJob('unknown'))?.failedReason);
  });
  beforeEach(async () => {
    watched = await browser.open({ baseURL: story.consoleUrl, viewport: { width: 1400, height: 900 } });
    watched.page.setDefaultTimeout(TIMEOUT_MS / 2);
  });
  afterEach(() => watched?.page.context().close());
  afterAll(async () => {
    await browser?.close();
    await story?.end();
  });

  async function logIn(role: Role): Promise<void> {
    const { session } = await ConsoleBrowser.as(role, story);
    await watched.page
      .context()
      .addCookies([{ name: session![0], value: session![1], url: story.consoleUrl }]);
  }

  /** Waits for the open tab to show the text, which a web worker highlights first. */
  const shows = (text: string) => watched.page.locator('pre', { hasText: text }).first().waitFor();

  async function tab(name: string): Promise<void> {
    const { page } = watched;
    await page.getByRole('tab', { name, exact: true }).first().click();
    await page.locator('[role=tab][aria-selected=true]', { hasText: name }).first().waitFor();
  }

  it.each(ROLES)(
    'the queue board shows a failed job’s error, data and options to the role %s',
    async (role) => {
      const { page, complaints } = watched;
      await logIn(role);
      await page.goto(JOB);
      await shows(REASON);
      await keepScreenshots(page, `board-error-${role}`);
      await tab('Data');
      await page.getByText('onboardingId').first().waitFor();
      expect(await page.locator('a[href="/onboardings/of-the-past"]').count()).toBe(1);
      await tab('Options');
      await page.getByText('attempts').first().waitFor();
      await tab('Logs');
      await tab('Progress');
      await tab('Error');
      await shows(REASON);
      await page.goto('/queues/queue/steps?status=failed');
      await shows(REASON);
      expect(complaints).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
