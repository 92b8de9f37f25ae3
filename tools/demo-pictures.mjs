#!/usr/bin/env node
/**
 * Takes the pictures of the demo's page that the docs show, in a real Chromium with a virtual authenticator, from
 * what `npm start` serves. Look at them before they are committed.
 *
 *   node tools/demo-pictures.mjs [--demo http://localhost:3100] [--sandbox http://127.0.0.1:4000]
 *     [--out docs/images] [--chromium /usr/bin/chromium] [--all]      also dark, and states that the docs leave out
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';

const { values } = parseArgs({
  options: {
    demo: { type: 'string', default: 'http://localhost:3100' },
    sandbox: { type: 'string', default: 'http://127.0.0.1:4000' },
    out: { type: 'string', default: 'docs/images' },
    chromium: { type: 'string', default: '/usr/bin/chromium' },
    all: { type: 'boolean', default: false },
  },
});
const SIZES = [
  { width: 360, height: 860 },
  { width: 1280, height: 800 },
];
const AUTHENTICATOR = {
  protocol: 'ctap2',
  transport: 'internal',
  hasResidentKey: true,
  hasUserVerification: true,
  isUserVerified: true,
  automaticPresenceSimulation: true,
};

mkdirSync(values.out, { recursive: true });
const browser = await chromium.launch({ executablePath: values.chromium, args: ['--no-sandbox'] });
for (const colorScheme of values.all ? ['light', 'dark'] : ['light']) {
  for (const viewport of SIZES) await walk(colorScheme, viewport);
}
await browser.close();

/** Through all that the page can show, with a user of its own. */
async function walk(colorScheme, viewport) {
  const context = await browser.newContext({
    colorScheme,
    viewport,
    reducedMotion: 'reduce',
    locale: 'en-GB',
  });
  const page = await context.newPage();
  page.on('console', (message) => message.type() === 'error' && console.log('  !', message.text()));
  page.on('pageerror', (error) => console.log('  !', error.message));
  const devtools = await context.newCDPSession(page);
  await devtools.send('WebAuthn.enable');
  await devtools.send('WebAuthn.addVirtualAuthenticator', { options: AUTHENTICATOR });

  const picture = async (state, more = false) => {
    if (more && !values.all) return;
    const wide = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
    if (wide > 0) console.log(`  ! ${state}: ${wide} px too wide at ${viewport.width}`);
    const small = await page.evaluate(() =>
      [...document.querySelectorAll('button, input, a:not(.skip)')]
        .filter((each) => each.checkVisibility() && each.getBoundingClientRect().height < 44)
        .map((each) => each.textContent || each.id),
    );
    if (small.length > 0) console.log(`  ! ${state}: too small to tap: ${small.join(', ')}`);
    const scheme = colorScheme === 'dark' ? '-dark' : '';
    const path = join(values.out, `demo-${state}-${viewport.width}${scheme}.png`);
    await page.screenshot({ path, fullPage: values.all });
    console.log(path);
  };
  const heading = (name) => page.getByRole('heading', { name, level: 1 }).waitFor();
  const press = (name) => page.getByRole('button', { name, exact: true }).click();
  const sandbox = (path, init) => fetch(`${values.sandbox}/_sandbox/${path}`, init);

  /** @returns the code that was mailed */
  const start = async () => {
    const email = `ana.${Date.now() % 1e6}@example.com`;
    await heading('Set up your wallet');
    await page.getByLabel('Your e-mail').fill(email);
    await press('Send me a code');
    await heading('Check your mail');
    const [mail] = await (await sandbox(`mailbox?email=${encodeURIComponent(email)}`)).json();
    return mail.code;
  };

  await page.goto(values.demo);
  await heading('Set up your wallet');
  await picture('start');
  const right = await start();
  await picture('code-fresh', true);
  await page.getByLabel('Code from the mail').fill(right === '000000' ? '000001' : '000000');
  await press('Continue');
  await page.getByRole('alert').filter({ hasText: 'not right' }).waitFor();
  await picture('code');

  await press('Use another e-mail');
  await page.getByLabel('Code from the mail').waitFor({ state: 'detached' });
  await page.getByLabel('Your e-mail').waitFor();
  const code = await start();
  await page.getByLabel('Code from the mail').fill(code);
  await press('Continue');
  await heading('Create your passkey');
  await picture('passkey-fresh', true);
  await page.getByLabel('Name of this passkey').fill("Ana's phone");
  await press('Create passkey');
  await page.getByRole('button', { name: 'Finish' }).waitFor();
  await picture('passkey');
  await press('Add another passkey');
  await page.getByRole('alert').filter({ hasText: 'already' }).waitFor();
  await picture('passkey-exists', true);

  await sandbox('faults', {
    method: 'POST',
    body: JSON.stringify({ route: 'create-authenticators-otp', status: 503, times: 4 }),
  });
  await press('Finish');
  await heading('Saving your passkey');
  await page.getByText('still trying').first().waitFor();
  await picture('waiting', true);
  await page.getByRole('heading', { name: 'You are all set' }).waitFor({ timeout: 60_000 });
  await page.locator('#timeline code', { hasText: 'secrets_wiped' }).waitFor();
  await picture('done');
  await context.close();
}
