import { createHash, createPublicKey, verify } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, it, jest } from '@jest/globals';
import type { Response } from 'playwright-core';
import { describeInBrowser } from '../../support/browser/browser.js';
import { DemoPage, type Assertion } from '../../support/demo/demo-page.js';
import { DemoWorld } from '../../support/demo/demo-world.js';
import { keepScreenshots } from '../../support/browser/screenshots.js';
import { elapse, runOut } from '../../support/time-travel.js';

jest.setTimeout(240_000);

const COOLDOWN_MS = 60_000;

let world: DemoWorld;

async function coolDown(demo: DemoPage, email: string): Promise<void> {
  await demo.page.getByText(/^possible in/).waitFor();
  expect(await demo.button('Send a new code').isDisabled()).toBe(true);
  await elapse(world.story, (await world.onboarding(email)).id, world.subject(email), COOLDOWN_MS);
  await demo.page.reload();
}

describeInBrowser('the demo in Chromium', () => {
  beforeAll(async () => {
    world = await DemoWorld.begin({ OTP_RESEND_COOLDOWN_MS: String(COOLDOWN_MS) });
  });
  afterEach(async () => expect(await world.leave()).toEqual([]));
  afterAll(() => world?.end());

  it.each([
    ['byzantine', 'none'],
    ['attested', 'packed'],
  ] as const)(
    'the demo takes a user from an e-mail to a passkey (integration %s, attestation %s)',
    async (integration, format) => {
      const email = world.newEmail();
      const demo = await world.visit({ integration });
      const phone = await demo.plug();
      await demo.start(email);
      await demo.enter(world.code(email));
      await demo.at('Create your passkey');
      await demo.create('Ana’s phone');
      await demo.at('You are all set');
      expect(await demo.passkeys('Your passkeys')).toEqual(['Ana’s phone']);
      await demo.timeline('The provider has the passkey').waitFor();
      await demo.timeline('Code and session were wiped').waitFor();
      if (format === 'none') expect(await keepScreenshots(demo.page, 'demo-done')).toEqual([]);

      const [made] = await phone.passkeys();
      const [stored] = world.stored(email);
      expect(world.stored(email)).toMatchObject([
        {
          credentialId: made!.credentialId,
          publicKeySpki: made!.publicKeySpki,
          authenticatorName: 'Ana’s phone',
          userVerified: true,
          format,
        },
      ]);
      expect(await world.onboarding(email)).toMatchObject({ state: 'completed' });
      expect(world.creations(email)).toBe(1);
      const signIn = await demo.signIn(made!.credentialId);
      expect(signIn.id).toBe(made!.credentialId);
      expect(isSignedBy(stored!.publicKeySpki, signIn)).toBe(true);
    },
  );

  it('the demo shows how many tries are left after a wrong code', async () => {
    const email = world.newEmail();
    const demo = await world.visit();
    await demo.at('Set up your wallet');
    expect(await keepScreenshots(demo.page, 'demo-start')).toEqual([]);
    await demo.start(email);
    await demo.timeline('A code was mailed').waitFor();
    expect(await keepScreenshots(demo.page, 'demo-code')).toEqual([]);
    await demo.enter(world.story.wrongCode(world.subject(email)));
    await demo.problem('You have 2 tries left');
    await demo.focused(demo.page.getByLabel('Code from the mail'));
    expect(await keepScreenshots(demo.page, 'demo-code-wrong')).toEqual([]);
    await demo.enter('12');
    await demo.problem('Check what you typed');
    await demo.enter(world.code(email));
    await demo.at('Create your passkey');
    await demo.timeline('The code was wrong').waitFor();

    expect(await world.onboarding(email)).toMatchObject({ state: 'otp_verified' });
    expect(world.story.calls(world.subject(email), 'otp-auth')).toBe(2);
  });

  it('the demo sends a new code after a countdown, and the new code replaces the old one', async () => {
    const email = world.newEmail();
    const demo = await world.visit();
    await demo.start(email);
    const old = world.code(email);
    await coolDown(demo, email);
    await demo.resend();
    await demo.page.getByRole('status').getByText(`A new code was mailed to ${email}.`).waitFor();
    await demo.page.getByRole('main').getByText('We have mailed a new code to').waitFor();
    expect(world.story.sandbox.control.mails({ email })).toHaveLength(2);
    await demo.enter(old);
    await demo.problem('Only the newest mail’s code works');
    await demo.enter(world.code(email));
    await demo.at('Create your passkey');
    expect(await world.onboarding(email)).toMatchObject({ state: 'otp_verified', otp: { sends: 2 } });
  });

  it('the demo’s button shows that it is busy until the answer comes', async () => {
    const email = world.newEmail();
    const demo = await world.visit();
    await demo.start(email);
    const held = Promise.withResolvers<void>();
    await demo.page.route('**/api/onboarding/code', async (route) => {
      await held.promise;
      await route.continue();
    });
    await demo.enter(world.story.wrongCode(world.subject(email)));
    await demo.page.locator('button.works', { hasText: 'Continue' }).waitFor();
    expect(await demo.page.locator('button.works').count()).toBe(1);
    held.resolve();
    await demo.problem('You have 2 tries left');
    await demo.settled();
    expect(await demo.page.locator('button.works').count()).toBe(0);
  });

  it('the demo never puts a line break into the last letters of an e-mail address', async () => {
    const email = `ana.of-the-${world.newEmail()}`;
    const demo = await world.visit();
    await demo.start(email);
    for (let width = 320; width <= 480; width += 8) {
      await demo.page.setViewportSize({ width, height: 700 });
      const tops = await demo.page.evaluate<number[]>(`(() => {
        const address = document.querySelector('.lead .address');
        const letters = document.createTreeWalker(address, NodeFilter.SHOW_TEXT);
        const tops = [];
        for (let node; (node = letters.nextNode()); )
          for (let at = 0; at < node.length; at++) {
            const range = document.createRange();
            range.setStart(node, at);
            range.setEnd(node, at + 1);
            tops.push(range.getBoundingClientRect().top);
          }
        return tops.slice(-3);
      })()`);
      expect({ width, lines: new Set(tops).size }).toEqual({ width, lines: 1 });
    }
  });

  it('the demo shows by itself that the session has expired, and continues with a new code', async () => {
    const email = world.newEmail();
    const demo = await world.visit();
    const phone = await demo.plug();
    await demo.start(email);
    await demo.enter(world.code(email));
    await demo.at('Create your passkey');
    await runOut(world.story, (await world.onboarding(email)).id, 'session');

    await demo.at('You need a new code');
    await demo.focused(demo.heading());
    await demo.page.getByText('The time to create a passkey has run out').waitFor();
    expect(await keepScreenshots(demo.page, 'demo-new-code')).toEqual([]);
    await coolDown(demo, email);
    await demo.resend();
    await demo.enter(world.code(email));
    await demo.create();
    await demo.at('You are all set');
    const kept = (await phone.passkeys()).map(({ credentialId }) => credentialId);
    const stored = world.stored(email).map(({ credentialId }) => credentialId);
    expect(stored).toHaveLength(1);
    expect(kept).toContain(stored[0]);
    expect(world.creations(email)).toBe(1);
  });

  it('the demo reconnects after an outage of the service, and misses no event', async () => {
    const email = world.newEmail();
    const demo = await world.visit();
    await demo.start(email);
    const { id } = await world.onboarding(email);
    const lastWord = demo.page.waitForResponse(isRefused('/api/onboarding/events'));
    await world.service.close();
    await lastWord;
    for (let failed = 0; failed < 2; failed++) await demo.page.waitForResponse(isRefused('/api/onboarding'));
    await demo.problem('We cannot be reached at the moment');
    await runOut(world.story, id, 'code');
    await world.service.open();
    await demo.at('You need a new code');
    await demo.page.getByText('Your code has expired').waitFor();
    await demo.page.getByRole('alert').waitFor({ state: 'hidden' });
    await demo.timeline('The code expired').waitFor();
  });

  it('the demo can start again after a deleted onboarding and after a failed first load', async () => {
    const email = world.newEmail();
    const demo = await world.visit();
    await demo.start(email);
    const { id } = await world.onboarding(email);
    await world.service.close();
    await demo.page.reload();
    await demo.problem('We cannot be reached at the moment');
    await demo.button('Start again').waitFor();
    await world.service.open();
    await demo.at('Check your mail');
    await demo.page.route('**/api/onboarding', (route) => route.fulfill({ body: '{"state":' }), { times: 1 });
    await demo.page.reload();
    await demo.at('Check your mail');

    await world.story.sql('DELETE FROM onboardings WHERE id = $1', [id]);
    await demo.page.reload();
    await demo.at('Set up your wallet');
    await demo.start(email);
  });

  it('the demo shows the same step in another tab and after a reload', async () => {
    const email = world.newEmail();
    const demo = await world.visit();
    await demo.plug();
    await demo.start(email);
    await demo.page.reload();
    await demo.at('Check your mail');
    await demo.page.getByText(email).waitFor();
    const other = new DemoPage(await demo.page.context().newPage());
    await other.page.goto(demo.page.url());
    await other.enter(world.code(email));
    await demo.page.bringToFront();
    await demo.at('Create your passkey');
    await demo.page.reload();
    await demo.at('Create your passkey');
    await demo.create();
    await demo.at('You are all set');
    await other.at('You are all set');
    await demo.page.reload();
    await demo.at('You are all set');
    expect(await demo.passkeys('Your passkeys')).toHaveLength(1);
    await demo.timeline('The provider has the passkey').waitFor();
  });

  it('the demo works with the keyboard only, and is accessible on a very small phone', async () => {
    const email = world.newEmail();
    const demo = await world.visit({ viewport: { width: 320, height: 640 } });
    const { page } = demo;
    await demo.plug();
    await demo.at('Set up your wallet');
    await demo.tabTo(page.getByLabel('Your e-mail'));
    expect(await demo.faultsOfAccess()).toEqual([]);
    await page.keyboard.press('ControlOrMeta+A');
    await page.keyboard.type(email);
    await page.keyboard.press('Enter');

    await demo.at('Check your mail');
    await demo.focused(page.getByLabel('Code from the mail'));
    expect(await demo.faultsOfAccess()).toEqual([]);
    await page.keyboard.type(world.code(email));
    await page.keyboard.press('Enter');

    await demo.at('Create your passkey');
    await demo.focused(demo.heading());
    expect(await demo.faultsOfAccess()).toEqual([]);
    await demo.tabTo(demo.button('Create passkey'));
    await page.keyboard.press('Space');
    await demo.at('You are all set');
    await demo.focused(demo.heading());
    expect(await demo.faultsOfAccess()).toEqual([]);
    expect(world.stored(email)).toHaveLength(1);
  });
});

const isRefused = (path: string) => (response: Response) =>
  new URL(response.url()).pathname === path && response.status() === 503;

/** Verifies a login signature as a website does (WebAuthn Level 3 §7.2, step 22). */
function isSignedBy(spki: string, { response }: Assertion): boolean {
  const { authenticatorData, clientDataJSON, signature } = response;
  const key = createPublicKey({ key: Buffer.from(spki, 'base64url'), format: 'der', type: 'spki' });
  const hash = createHash('sha256').update(Buffer.from(clientDataJSON, 'base64url')).digest();
  const signed = Buffer.concat([Buffer.from(authenticatorData, 'base64url'), hash]);
  return verify('sha256', signed, key, Buffer.from(signature, 'base64url'));
}
