import { afterAll, afterEach, beforeAll, expect, it, jest } from '@jest/globals';
import type { Request, Response } from 'playwright-core';
import { until } from '#libs/testing';
import { createPasskey } from '../../tools/passkey.js';
import { describeInBrowser } from './browser.js';
import type { DemoPage } from './demo-page.js';
import { DemoWorld } from './demo-world.js';
import { keepScreenshots } from './screenshots.js';
import { retryNow } from './time-travel.js';

jest.setTimeout(60_000);

let world: DemoWorld;

/** Up to the view where a passkey is made. */
async function verified(email = world.newEmail()): Promise<{ demo: DemoPage; email: string }> {
  const demo = await world.visit();
  await verify(demo, email);
  return { demo, email };
}
async function verify(demo: DemoPage, email: string): Promise<void> {
  await demo.start(email);
  await demo.enter(world.code(email));
  await demo.at('Create your passkey');
}

/** Nothing of it has reached the provider, and the session is there for another try. */
async function expectKeptBack(email: string, creations = 0): Promise<void> {
  expect(world.creations(email)).toBe(creations);
  expect(await world.onboarding(email)).toMatchObject({ state: 'otp_verified' });
}

describeInBrowser('what the demo says of passkeys that are not made, not accepted, or more than one', () => {
  beforeAll(async () => {
    world = await DemoWorld.begin();
  });
  afterEach(async () => expect(await world.leave()).toEqual([]));
  afterAll(() => world?.end());

  it('a device that does not know its user makes none, and a person is told', async () => {
    const { demo, email } = await verified();
    const phone = await demo.plug({ isUserVerified: false });
    await demo.create();
    await demo.problem('No passkey was created');
    expect(await phone.passkeys()).toEqual([]);
    await expectKeptBack(email);

    await phone.verifyUser(true);
    await demo.create();
    await demo.button('Finish').click();
    await demo.at('You are all set');
  });

  it('a passkey without its user’s proof, wheedled out of a device, is refused before the provider', async () => {
    const { demo, email } = await verified();
    await demo.tamper(({ authenticatorSelection }) => ({
      authenticatorSelection: { ...authenticatorSelection, userVerification: 'discouraged' },
    }));
    const key = await demo.plug({ transport: 'usb', hasUserVerification: false, hasResidentKey: false });
    await demo.create();
    await demo.button('Finish').click();
    await demo.problem('Your device did not check that it is you');
    expect(await key.passkeys()).toHaveLength(1);
    expect(await demo.page.getByRole('list', { name: 'Passkeys ready to be saved' }).isVisible()).toBe(false);
    await expectKeptBack(email);
    expect(
      (await world.story.events((await world.onboarding(email)).id)).map(({ type }) => type),
    ).not.toContain('authenticators_submitted');
  });

  it('a device that was not touched in time, and one that was', async () => {
    const { demo, email } = await verified();
    const end = await demo.tamper(() => ({ timeout: 500 }));
    const key = await demo.plug({ transport: 'usb', automaticPresenceSimulation: false });
    await demo.create();
    await demo.problem('Your device waited too long for you');
    await expectKeptBack(email);
    expect(await demo.button('Create passkey').isEnabled()).toBe(true);

    await end();
    await key.touch(true);
    await demo.create();
    await demo.focused(demo.button('Finish'));
  });

  it('a passkey that is not handed in while its challenge lasts is dropped, here and on the device', async () => {
    const { demo, email } = await verified();
    const phone = await demo.plug();
    const end = await demo.tamper(() => ({ timeout: 12_000 }));
    await demo.create('Phone');
    await demo.page.getByText(/^You have \d+ s for this\.$/).waitFor();
    expect(await phone.passkeys()).toHaveLength(1);
    await demo.problem('Phone: not saved in time. Create it again.');
    await demo.focused(demo.button('Create passkey'));
    await until('the device forgets it', async () => (await phone.passkeys()).length === 0);
    await expectKeptBack(email);

    await end();
    await demo.create('Phone');
    await demo.button('Finish').click();
    await demo.at('You are all set');
    expect(await phone.passkeys()).toHaveLength(1);
  });

  it('a browser without passkeys', async () => {
    const demo = await world.visit({
      before: ({ page }) => page.addInitScript('delete window.PublicKeyCredential'),
    });
    const email = world.newEmail();
    await verify(demo, email);
    await demo.create();
    await demo.problem('This browser has no passkeys');
    await expectKeptBack(email);
  });

  it('the same device a second time: it refuses by itself; what gets past it is refused before the provider', async () => {
    const { demo, email } = await verified();
    await demo.plug();
    await demo.create();
    await demo.button('Finish').click();
    await demo.at('You are all set');
    const [first] = world.stored(email);
    await demo.button('Start again').click();
    await verify(demo, email);
    await demo.create();
    await demo.problem('This device has a passkey for you already');
    await expectKeptBack(email, 1);

    const replayed = await replay(demo, first!.credentialId);
    expect(replayed).toMatchObject({
      status: 422,
      body: { code: 'attestation_invalid', errors: [{ code: 'credential_already_registered' }] },
    });
    await expectKeptBack(email, 1);

    await demo.tamper(() => ({ excludeCredentials: [] }));
    await demo.create();
    await demo.button('Finish').click();
    await demo.at('You are all set');
    const stored = world.stored(email).map(({ credentialId }) => credentialId);
    expect(new Set(stored).size).toBe(2);
    expect(stored).toContain(first!.credentialId);
  });

  it('two at once, of two devices, by one call', async () => {
    const { demo, email } = await verified();
    await demo.timeline('The code was right').waitFor();
    expect(await keepScreenshots(demo.page, 'demo-passkey')).toEqual([]);
    const phone = await demo.plug();
    await demo.create('Phone');
    await demo.focused(demo.button('Finish'));
    await demo.create();
    await demo.problem('This device has a passkey for you already');
    await phone.touch(false);
    const key = await demo.plug({ transport: 'usb' });
    await demo.create('Key');
    await demo.page.getByText('Key ready to be saved').waitFor();
    expect(await demo.passkeys('Passkeys ready to be saved')).toEqual(['Phone', 'Key']);
    expect(await keepScreenshots(demo.page, 'demo-two-passkeys')).toEqual([]);
    await demo.button('Finish').click();
    await demo.at('You are all set');
    expect(await demo.passkeys('Your passkeys')).toEqual(['Phone', 'Key']);
    expect(await keepScreenshots(demo.page, 'demo-two-done')).toEqual([]);

    const made = [...(await phone.passkeys()), ...(await key.passkeys())];
    expect(world.stored(email)).toMatchObject(
      made.map(({ credentialId, publicKeySpki }) => ({ credentialId, publicKeySpki })),
    );
    expect(made).toHaveLength(2);
    expect(world.creations(email)).toBe(1);
  });

  it('a provider that is down, and a service that is away meanwhile: the page arrives by itself', async () => {
    const { demo, email } = await verified();
    const { id } = await world.onboarding(email);
    await demo.plug();
    await demo.create();
    const strike = { route: 'create-authenticators-otp', match: { userId: world.subject(email).userId } };
    world.story.sandbox.control.addFault({ ...strike, status: 503, retryAfterS: 60 });
    world.story.sandbox.control.addFault({ ...strike, status: 503, times: 2 });
    await demo.button('Finish').click();
    await demo.at('Saving your passkey');
    await demo.page.getByRole('status').getByText('We are still trying').waitFor();
    await demo.page.getByRole('main').getByText('Next try in').waitFor();
    const asked: Request[] = [];
    demo.page.on('request', (request) => asked.push(request));
    expect(await keepScreenshots(demo.page, 'demo-waiting')).toEqual([]);

    const connectsAgain = demo.page.waitForRequest('**/api/onboarding/events?*');
    await world.service.bar();
    await connectsAgain;
    const followsAgain = demo.page.waitForResponse(isStream);
    await world.service.open();
    await followsAgain;
    await demo.page.getByRole('alert').waitFor({ state: 'hidden' });
    await retryNow(world.story, id);
    await demo.at('You are all set');
    await demo.timeline('The provider has the passkey').waitFor();
    expect(world.creations(email)).toBe(4);
    expect(world.stored(email)).toHaveLength(1);
    expect(asked.filter((each) => each.isNavigationRequest() || each.method() !== 'GET')).toEqual([]);
  });
});

const isStream = (response: Response) => response.ok() && response.url().includes('/api/onboarding/events');

/** Hands in a passkey under the id of one that is registered, as no device of the person does. */
async function replay(demo: DemoPage, credentialId: string): Promise<{ status: number; body: unknown }> {
  const { request } = demo.page.context();
  const { origin } = new URL(demo.page.url());
  const shown = (await (await request.get(`${origin}/api/onboarding`)).json()) as { of: string };
  const headers = { 'x-onboarding': shown.of };
  const options = await request.post(`${origin}/api/onboarding/passkeys/options`, { headers, data: {} });
  const { challenge } = (await options.json()) as { challenge: string };
  const id = Buffer.from(credentialId, 'base64url');
  const credential = createPasskey({ rpId: 'localhost', origin, challenge, credentialId: id });
  const answer = await request.post(`${origin}/api/onboarding/passkeys`, {
    headers,
    data: { credentials: [{ name: 'Again', credential }] },
  });
  return { status: answer.status(), body: await answer.json() };
}
