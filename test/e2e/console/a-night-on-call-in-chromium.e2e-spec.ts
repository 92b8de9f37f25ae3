import { afterAll, afterEach, beforeAll, expect, it, jest } from '@jest/globals';
import { RealBrowser, describeInBrowser, type WatchedPage } from '../../support/browser/browser.js';
import { openConsole } from '../../support/browser/console-page.js';
import { keepScreenshots } from '../../support/browser/screenshots.js';
import { IdentityProvider } from '../../support/identity-provider.js';
import { closedPort } from '../../support/ports.js';
import { Story } from '../../support/story.js';

jest.setTimeout(240_000);

/** The console's first page must show a failure within this time. */
const SEEN_MS = 15_000;
const USERS = 8;

describeInBrowser('a night on call', () => {
  let story: Story;
  let provider: IdentityProvider;
  let browser: RealBrowser;
  let watched: WatchedPage | undefined;
  beforeAll(async () => {
    const port = await closedPort();
    provider = await IdentityProvider.start(`http://127.0.0.1:${port}`);
    story = await Story.begin({ console: true, env: { ...provider.consoleEnv, CONSOLE_PORT: String(port) } });
    browser = await RealBrowser.launch();
  });
  afterEach(async () => {
    story.sandbox.control.removeFaults();
    expect(watched?.complaints).toEqual([]);
    await watched?.page.context().close();
  });
  afterAll(async () => {
    await browser?.close();
    await story?.end();
    await provider?.stop();
  });

  const audited = async () => {
    const rows = await story.sql<{ actor: string; action: string }>(
      'SELECT actor, action FROM audit_events ORDER BY id',
    );
    return rows.map(({ actor, action }) => `${actor} ${action}`);
  };

  it('an operator sees an outage, and resolves many unknown outcomes in one operation', async () => {
    const ids = await Promise.all(Array.from({ length: USERS }, async () => (await story.verified()).id));
    const storm = { route: 'create-authenticators-otp', status: 503, afterEffect: true, times: 0 };
    story.sandbox.control.addFault(storm);
    for (const id of ids) await story.register(id, [await story.passkey(id)], { prefer: 'wait=0' });

    watched = await browser.open({ baseURL: story.consoleUrl });
    const { page } = watched;
    await page.goto('/');
    await page.getByRole('button', { name: 'Log in with' }).click();
    await page.getByRole('button', { name: 'omar' }).click();
    await page.getByRole('heading', { name: 'Now', level: 1 }).waitFor();
    const problems = page.getByRole('list', { name: 'Problems, worst first' });
    await problems.getByText('create-authenticators fails').first().waitFor({ timeout: SEEN_MS });
    await problems
      .getByRole('link', { name: `${USERS} onboardings` })
      .first()
      .waitFor({ timeout: SEEN_MS });
    await keepScreenshots(page, 'console-now-storm');

    // The provider works again, but refuses the repeated calls, because it already has the passkeys.
    story.sandbox.control.removeFaults();
    for (const id of ids) await story.until(id, 'outcome_unknown');
    const lost = page.getByRole('table', { name: 'Lost outcomes' });
    await lost.getByRole('link', { name: String(USERS) }).click({ timeout: SEEN_MS });
    expect(await page.getByRole('rowheader').count()).toBe(USERS);
    await page.getByRole('button', { name: 'Act on all that match' }).click();
    await page.getByLabel('Action').selectOption({ label: 'Resolve: it was done' });
    await page.getByRole('heading', { name: `Dry run: ${USERS} of ${USERS} can be tried` }).waitFor();
    await keepScreenshots(page, 'console-dry-run');
    await page.getByLabel('Reason').fill('the provider lists the passkeys');
    await page.getByRole('button', { name: `Resolve: it was done: ${USERS}` }).click();
    await page.getByText(`${USERS} of ${USERS} tried: ${USERS} done`).waitFor();
    await keepScreenshots(page, 'console-operation');
    for (const id of ids) await story.until(id, 'completed');

    // The console learns from this user's success that the provider works.
    const { id: next } = await story.verified();
    expect((await story.register(next, [await story.passkey(next)])).status).toBe(200);
    await page.getByRole('link', { name: 'Now', exact: true }).click();
    await page.getByText('Nothing is wrong.').waitFor({ timeout: 2 * SEEN_MS });
    await keepScreenshots(page, 'console-now-well');
    expect(await audited()).toEqual([
      'operator:omar console: login: oidc',
      'operator:omar operation_started',
    ]);
  });

  it('the console shows that the provider refuses our key; later, the users continue', async () => {
    story.sandbox.control.addFault({ route: '*', status: 401, times: 0 });
    const { body } = await story.start(story.newSubject());
    watched = await openConsole(browser, story, 'viewer');
    const { page } = watched;
    await page.goto('/');
    const problems = page.getByRole('list', { name: 'Problems, worst first' });
    await problems.getByText('our requests are refused with 401').waitFor({ timeout: SEEN_MS });
    await page.getByRole('table', { name: 'Parked' }).getByRole('link', { name: '1' }).click();
    await page.getByRole('link', { name: body.id }).click();
    await page.getByText('parked: upstream_misconfigured').first().waitFor();
    await keepScreenshots(page, 'console-parked');
    story.sandbox.control.removeFaults();
    await page.locator('main').getByText('otp_sent', { exact: true }).first().waitFor();
  });

  it('a viewer can read every page, and has no button that changes something', async () => {
    const { id } = await story.sent();
    watched = await openConsole(browser, story, 'viewer');
    const { page } = watched;
    for (const path of ['/', '/onboardings', `/onboardings/${id}`, '/funnel', '/operations', '/audit']) {
      await page.goto(path);
      await page.getByRole('heading', { level: 1 }).waitFor();
      expect([path, await page.locator('main form[method=post]').count()]).toEqual([path, 0]);
    }
    await page.goto('/operations/new?live=true');
    await page.getByText('This needs the role operator.').waitFor();
  });

  it('an operator pauses an integration, and its users continue when it is resumed', async () => {
    watched = await openConsole(browser, story, 'operator');
    const { page } = watched;
    await page.goto('/');
    await page.getByText('Pause byzantine').click();
    await page.locator('details[open]').getByLabel('Reason').fill('their maintenance');
    await page.getByRole('button', { name: 'Pause', exact: true }).click();
    await page.getByText('Paused by operator:an-operator').first().waitFor({ timeout: SEEN_MS });
    const { status, body } = await story.start(story.newSubject());
    expect([status, body.state]).toEqual([202, 'otp_requested']);
    await page.reload();
    await page.getByText('Resume byzantine').click();
    await page.locator('details[open]').getByLabel('Reason').fill('it is over');
    await page.getByRole('button', { name: 'Resume', exact: true }).click();
    await story.until(body.id, 'otp_sent');
  });

  it('an operator retries one onboarding by keyboard alone, and may not erase it', async () => {
    // The operator has 100 s to act before the next attempt, also on a slow machine.
    story.sandbox.control.addFault({ route: 'init-otp', status: 503, retryAfterS: 100, times: 0 });
    const { body } = await story.start(story.newSubject(), {}, { prefer: 'wait=0' });
    watched = await openConsole(browser, story, 'operator');
    const { page } = watched;
    await page.goto(`/onboardings/${body.id}`);
    const summary = page.locator('summary', { hasText: 'Retry now' });
    await summary.waitFor();
    await summary.focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    await page.keyboard.type('the provider says it is repaired');
    await page.keyboard.press('Enter');
    const done = page
      .getByRole('table', { name: 'Operations' })
      .getByText('the provider says it is repaired');
    await done.waitFor();
    await page.locator('summary', { hasText: 'Not possible now' }).click();
    await page.getByText('This needs the role admin.').waitFor();
  });

  it('an admin erases one onboarding, and the page says so', async () => {
    const { id } = await story.sent();
    watched = await openConsole(browser, story, 'admin');
    const { page } = watched;
    await page.goto(`/onboardings/${id}`);
    await page.locator('summary', { hasText: 'Erase personal data' }).click();
    await page.locator('details[open]').getByLabel('Reason').fill('the user asked');
    await page.getByRole('button', { name: 'Erase personal data', exact: true }).click();
    await page.getByRole('table', { name: 'Operations' }).getByText('done').waitFor();
    await page.getByText('Erased', { exact: true }).waitFor();
    expect((await story.get(id)).body.erasedAt).not.toBeNull();
  });
});
