import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { ROLES } from '#libs/operators';
import { until } from '#libs/testing';
import { faultsByAxe } from '../../support/browser/axe.js';
import { RealBrowser, describeInBrowser, type WatchedPage } from '../../support/browser/browser.js';
import { openConsole } from '../../support/browser/console-page.js';
import { keepScreenshots } from '../../support/browser/screenshots.js';
import { Story } from '../../support/story.js';

jest.setTimeout(240_000);

/** A test puts this into each text that a caller can choose. */
const EVIL = `"><img src=x onerror="globalThis.ran=1"><script>globalThis.ran=1</script>{{7*7}}`;

describeInBrowser('the console’s pages', () => {
  let story: Story;
  let browser: RealBrowser;
  let watched: WatchedPage;
  let paths: Record<string, string>;
  beforeAll(async () => {
    story = await Story.begin({ console: true });
    browser = await RealBrowser.launch();
    const done = await story.sent();
    const evil = await story.start(story.newSubject(), { externalRef: EVIL, metadata: { note: EVIL } });
    await story.call('POST', `/v1/onboardings/${evil.body.id}/cancel`, { reason: EVIL });
    // The provider's text of a refusal may contain markup too.
    story.sandbox.control.addFault({ route: 'init-otp', status: 400, body: { error: `no ${EVIL}` } });
    await story.start(story.newSubject());
    await until('the refusal is stored', async () => {
      const [row] = await story.sql<{ count: number }>('SELECT count(*)::int AS count FROM unknown_refusals');
      return row!.count > 0;
    });
    await story.sql(
      `INSERT INTO log_levels (module, level, actor, until)
       VALUES ('RequestLog', 'debug', $1, clock_timestamp() + interval '1 hour')`,
      [EVIL],
    );
    watched = await openConsole(browser, story, 'admin');
    const { page } = watched;
    await page.goto(`/onboardings/${done.id}`);
    await page.locator('summary', { hasText: 'Cancel' }).click();
    await page.locator('details[open]').getByLabel('Reason').fill(EVIL);
    await page.getByRole('button', { name: 'Cancel', exact: true }).click();
    const operation = page.getByRole('table', { name: 'Operations' }).getByRole('link', { name: 'Cancel' });
    paths = {
      now: '/',
      onboardings: '/onboardings',
      'onboardings-search': `/onboardings?${new URLSearchParams({ q: EVIL }).toString()}`,
      onboarding: `/onboardings/${evil.body.id}`,
      funnel: '/funnel',
      operations: '/operations',
      operation: (await operation.getAttribute('href'))!,
      bulk: '/operations/new?state=cancelled&action=erase',
      refusals: '/refusals',
      audit: '/audit',
      sessions: '/sessions',
      missing: '/nothing',
    };
  });
  afterAll(async () => {
    await browser?.close();
    // Later tests use the same database.
    await story?.sql('DELETE FROM log_levels');
    await story?.end();
  });

  it('the console’s pages pass axe, fit a phone, run no injected script and use no other host', async () => {
    const { page, complaints } = watched;
    for (const [name, path] of Object.entries(paths)) {
      await page.goto(path);
      await page.getByRole('heading', { level: 1 }).waitFor();
      expect([name, await faultsByAxe(page)]).toEqual([name, []]);
      expect([name, await keepScreenshots(page, `console-${name}`)]).toEqual([name, []]);
      expect(await page.evaluate('globalThis.ran ?? null')).toBeNull();
    }
    await page.goto(paths['onboarding']!);
    expect(await page.getByText(EVIL).count()).toBeGreaterThan(1);
    expect(complaints).toEqual([]);
  });

  it('the console’s pages do not run an injected script, and the browser reports the violation', async () => {
    const { page, complaints } = await openConsole(browser, story, 'viewer');
    await page.goto('/');
    await page.evaluate(
      `document.body.append(
        Object.assign(document.createElement('script'), { textContent: 'globalThis.ran = 1' }),
      )`,
    );
    expect(await page.evaluate('globalThis.ran ?? null')).toBeNull();
    await until('a complaint', () => complaints.some((each) => each.startsWith('policy: ')));
    await page.context().close();
  });

  it('the console’s pages can be read without scripts', async () => {
    const session = await watched.page.context().cookies();
    const plain = await browser.open({ baseURL: story.consoleUrl, javaScriptEnabled: false });
    await plain.page.context().addCookies(session);
    for (const path of Object.values(paths)) {
      await plain.page.goto(path);
      await plain.page.getByRole('heading', { level: 1 }).waitFor();
    }
    await plain.page.context().close();
  });

  it('on the console’s pages, the first press of Tab offers a jump to the content', async () => {
    const { page } = watched;
    await page.goto('/');
    await page.keyboard.press('Tab');
    expect(await page.evaluate('document.activeElement.textContent.trim()')).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    expect(new URL(page.url()).hash).toBe('#main');
  });

  it.each(ROLES)(
    'a link to a page of the console shows the same content to a colleague with the role %s',
    async (role) => {
      const colleague = await openConsole(browser, story, role);
      await colleague.page.goto(paths['onboarding']!);
      await colleague.page.getByRole('heading', { level: 1, name: 'Onboarding' }).waitFor();
      await colleague.page.context().close();
    },
  );
});
