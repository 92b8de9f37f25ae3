import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { LoginLinks, loginLink } from '#libs/operators';
import { faultsByAxe } from '../../support/browser/axe.js';
import { RealBrowser, describeInBrowser, type WatchedPage } from '../../support/browser/browser.js';
import { keepScreenshots } from '../../support/browser/screenshots.js';
import { IdentityProvider } from '../../support/identity-provider.js';
import { closedPort } from '../../support/ports.js';
import { OPS_PASSWORD, Story } from '../../support/story.js';

describeInBrowser('logging in to the console, in Chromium', () => {
  let provider: IdentityProvider;
  let story: Story;
  let browser: RealBrowser;
  let watched: WatchedPage;
  beforeAll(async () => {
    const port = await closedPort();
    // For the browser, localhost is another site than the provider's 127.0.0.1.
    const origin = `http://localhost:${port}`;
    provider = await IdentityProvider.start(origin);
    const env = { CONSOLE_PORT: String(port), ...provider.consoleEnv };
    story = await Story.begin({ service: false, worker: false, console: true, env });
    browser = await RealBrowser.launch();
  });
  beforeEach(async () => {
    watched = await browser.open({ baseURL: provider.consoleOrigin });
  });
  afterEach(() => watched.page.context().close());
  afterAll(async () => {
    await browser?.close();
    await story?.end();
    await provider?.stop();
  });

  const who = () => watched.page.locator('header.masthead .whoami a').innerText();

  it('a login at the identity provider opens the requested page; logout ends both sessions', async () => {
    const { page, complaints } = watched;
    await page.goto('/sessions');
    expect(new URL(page.url()).pathname).toBe('/login');
    expect(await faultsByAxe(page)).toEqual([]);
    expect(await keepScreenshots(page, 'login')).toEqual([]);
    await page.getByRole('button', { name: 'Log in with 127.0.0.1' }).click();
    await page.getByRole('button', { name: 'ada', exact: true }).click();
    await page.getByRole('heading', { name: 'Sessions of all operators' }).waitFor();
    expect(await who()).toBe('ada (admin)');
    expect(await page.evaluate('document.cookie')).toBe('');
    expect(await faultsByAxe(page)).toEqual([]);
    expect(await keepScreenshots(page, 'sessions')).toEqual([]);

    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByText('You are logged out of the console.').waitFor();
    // From here on, the browser may complain about the provider's pages.
    expect(complaints).toEqual([]);
    await page.getByRole('link', { name: 'Log out of 127.0.0.1' }).click();
    await page.getByRole('heading', { name: /sign-out|log ?out/i }).waitFor();
  });

  it('a link on another site opens a page of the console without another login', async () => {
    const { page } = watched;
    await page.goto('/login');
    await page.getByRole('button', { name: 'Log in with 127.0.0.1' }).click();
    await page.getByRole('button', { name: 'vera', exact: true }).click();
    await page.locator('header.masthead').waitFor();
    await page.goto(`${provider.issuer}/.well-known/openid-configuration`);
    await page.evaluate(
      `document.body.innerHTML = '<a href="${provider.consoleOrigin}/sessions">see this</a>'`,
    );
    await page.getByText('see this').click();
    await page.getByRole('heading', { name: 'Your sessions' }).waitFor();
    expect(await who()).toBe('vera (viewer)');
  });

  it('the emergency login works by keyboard alone', async () => {
    const { page, complaints } = watched;
    await page.goto('/login?next=/sessions');
    await page.getByText('Emergency login').focus();
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    await page.keyboard.type('Vera');
    await page.keyboard.press('Tab');
    await page.keyboard.type('a wrong password');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('The password is wrong.').waitFor();
    expect(await faultsByAxe(page)).toEqual([]);
    expect(await keepScreenshots(page, 'login-refused')).toEqual([]);
    await page.getByLabel('Your own name').fill('Vera');
    await page.getByLabel('Emergency password').fill(OPS_PASSWORD);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Sessions of all operators' }).waitFor();
    expect(await who()).toBe('emergency:Vera (admin)');
    expect(complaints).toEqual([]);
  });

  it('a one-time link opens a page whose button logs the operator in', async () => {
    const { page, complaints } = watched;
    const { token } = await story.console.get(LoginLinks).make({ name: 'ana', role: 'operator' });
    await page.goto(loginLink(provider.consoleOrigin, token));
    expect(await faultsByAxe(page)).toEqual([]);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.locator('header.masthead').waitFor();
    expect(await who()).toBe('link:ana (operator)');
    expect(complaints).toEqual([]);
  });
});
