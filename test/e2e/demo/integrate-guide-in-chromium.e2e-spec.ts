import { afterAll, afterEach, beforeAll, expect, it, jest } from '@jest/globals';
import type { Page, Response } from 'playwright-core';
import { describeInBrowser, RealBrowser, type WatchedPage } from '../../support/browser/browser.js';
import { closedPort } from '../../support/ports.js';
import { copyExample } from '../../support/demo/integrate-guide.js';
import { Story } from '../../support/story.js';
import type { TcpProxy } from '../../support/tcp-proxy.js';
import { mayResend, runOut } from '../../support/time-travel.js';
import { VirtualAuthenticator } from '../../support/browser/virtual-authenticator.js';

jest.setTimeout(240_000);

let story: Story;
let browser: RealBrowser;
/** The proxy between the server of docs/integrate.md and the service. */
let service: TcpProxy;
let url: string;
let open: WatchedPage;

describeInBrowser('docs/integrate.md in Chromium', () => {
  beforeAll(async () => {
    const port = await closedPort();
    story = await Story.begin({
      website: { rpId: 'localhost', origins: [`http://localhost:${port}`] },
      env: { OTP_RESEND_COOLDOWN_MS: '60000' },
    });
    browser = await RealBrowser.launch();
    story.atEnd(() => browser.close());
    service = await story.proxyTo('service');
    const env = { DEMO_PORT: String(port), GANGWAY_URL: service.url };
    ({ url } = await story.startDemo(env, copyExample(story)));
  });
  afterEach(async () => {
    await service.open();
    await open.page.context().close();
    expect(open.complaints).toEqual([]);
  });
  afterAll(() => story?.end());

  async function start(email: string): Promise<Page> {
    open = await browser.open();
    const { page } = open;
    await page.goto(url);
    await page.getByLabel('E-mail').fill(email);
    await page.getByRole('button', { name: 'Send me a code' }).click();
    await page.getByLabel('Code').waitFor();
    return page;
  }
  const mailed = (email: string) => story.sandbox.control.mails({ email })[0]!.code;
  const newest = async () =>
    (await story.call<{ items: { id: string }[] }>('GET', '/v1/onboardings?limit=1')).body.items[0]!.id;

  it('the program of docs/integrate.md completes an onboarding after a wrong code and failures', async () => {
    const page = await start('ana@example.com');
    await VirtualAuthenticator.plugInto(page);
    await page.getByLabel('Code').fill('000000' === mailed('ana@example.com') ? '000001' : '000000');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('status').getByText('wrong').waitFor();
    await page.getByLabel('Code').fill(mailed('ana@example.com'));
    await page.getByRole('button', { name: 'Continue' }).click();
    story.sandbox.control.addFault({ route: 'create-authenticators-otp', status: 503, times: 2 });
    await page.getByRole('button', { name: 'Create passkey' }).click();
    await page.getByRole('status').getByText('completed').waitFor();
  });

  it('the program of docs/integrate.md reconnects after a long outage and shows what it missed', async () => {
    const page = await start('bea@example.com');
    const lastWord = page.waitForResponse(isRefused('/api/onboarding/events'));
    await service.close();
    await lastWord;
    for (let failed = 0; failed < 2; failed++) await page.waitForResponse(isRefused('/api/onboarding'));
    await service.open();
    await page.waitForResponse((response) => response.ok() && response.url().includes('/events'));
    await runOut(story, await newest(), 'code');
    await page.getByRole('button', { name: 'Send a new code' }).waitFor();
  });

  it('the program of docs/integrate.md continues with a new code after a lost answer', async () => {
    const page = await start('dora@example.com');
    story.sandbox.control.addFault({ route: 'otp-auth', cut: 'after' });
    await page.getByLabel('Code').fill(mailed('dora@example.com'));
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('status').getByText('not sure').waitFor();
    await page.getByRole('button', { name: 'Send a new code' }).click();
    await page
      .getByRole('status')
      .getByText(/Try again in \d+ s/)
      .waitFor();
    await mayResend(story, await newest());
    await page.getByRole('button', { name: 'Send a new code' }).click();
    await page.getByLabel('Code').waitFor();
    await page.getByLabel('Code').fill(mailed('dora@example.com'));
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('button', { name: 'Create passkey' }).waitFor();
  });

  it('the program of docs/integrate.md accepts a code with a space, and refuses a short code', async () => {
    const page = await start('emil@example.com');
    await page.getByLabel('Code').fill('12345');
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('status').getByText('Check what you typed').waitFor();
    await page.getByLabel('Code').fill(mailed('emil@example.com').replace(/^.../, '$& '));
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByRole('button', { name: 'Create passkey' }).waitFor();
  });

  it('the program of docs/integrate.md tells a user who has started elsewhere to finish there', async () => {
    const page = await start('fred@example.com');
    await story.sql(`UPDATE onboardings SET caller = 'another' WHERE id = $1`, [await newest()]);
    await page.context().clearCookies();
    await page.reload();
    await page.getByLabel('E-mail').fill('fred@example.com');
    await page.getByRole('button', { name: 'Send me a code' }).click();
    await page.getByRole('status').getByText('You have started elsewhere').waitFor();
  });

  it('the program of docs/integrate.md starts again if the onboarding was deleted', async () => {
    const page = await start('cleo@example.com');
    await story.sql('DELETE FROM onboardings WHERE id = $1', [await newest()]);
    await page.reload();
    await page.getByRole('button', { name: 'Send me a code' }).waitFor();
  });
});

const isRefused = (path: string) => (response: Response) =>
  new URL(response.url()).pathname === path && response.status() === 503;
