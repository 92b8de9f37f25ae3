import { afterAll, afterEach, beforeAll, expect, it, jest } from '@jest/globals';
import type { Request, Response } from 'playwright-core';
import { until } from '#libs/testing';
import { createPasskey } from '../../../tools/passkey.js';
import { describeInBrowser } from '../../support/browser/browser.js';
import type { DemoPage } from '../../support/demo/demo-page.js';
import { DemoWorld } from '../../support/demo/demo-world.js';
import { keepScreenshots } from '../../support/browser/screenshots.js';
import { retryNow } from '../../support/time-travel.js';

jest.setTimeout(240_000);

let world: DemoWorld;

/** Leads a new user to the view where a passkey is made. */
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

/** Expects that the provider got only this number of passkeys, and that the session permits another try. */
async function expectKeptBack(email: string, creations = 0): Promise<void> {
  expect(world.creations(email)).toBe(creations);
  expect(await world.onboarding(email)).toMatchObject({ state: 'otp_verified' });
}

describeInBrowser('the demo, with passkeys that are not made, not accepted, or more than one', () => {
  beforeAll(async () => {
    world = await DemoWorld.begin();
  });
  afterEach(async () => expect(await world.leave()).toEqual([]));
  afterAll(() => world?.end());

  it('the demo shows a message if the device does not verify its user', async () => {
    const { demo, email } = await verified();
    const phone = await demo.plug({ isUserVerified: false });
    await demo.create();
    await demo.problem('No passkey was created');
    expect(await phone.passkeys()).toEqual([]);
    await expectKeptBack(email);

    await phone.verifyUser(true);
    await demo.create();
    await demo.at('You are all set');
  });

  it('a passkey without user verification is refused before the provider gets it', async () => {
    const { demo, email } = await verified();
    await demo.tamper(({ authenticatorSelection }) => ({
      authenticatorSelection: { ...authenticatorSelection, userVerification: 'discouraged' },
    }));
    const key = await demo.plug({ transport: 'usb', hasUserVerification: false, hasResidentKey: false });
    await demo.create();
    await demo.problem('Your device did not check that it is you');
    expect(await demo.button('Create passkey').isVisible()).toBe(true);
    await until('the device has forgotten it', async () => (await key.passkeys()).length === 0);
    await expectKeptBack(email);
    expect(
      (await world.story.events((await world.onboarding(email)).id)).map(({ type }) => type),
    ).not.toContain('authenticators_submitted');
  });

  it('the demo shows a message if the device is not touched in time, and permits another try', async () => {
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
    await demo.at('You are all set');
  });

  it('the demo submits a passkey as soon as it is made, so that a reload loses no passkey', async () => {
    const { demo, email } = await verified();
    const phone = await demo.plug();
    const handedIn = demo.page.waitForRequest('**/api/onboarding/passkeys');
    await demo.create('Phone');
    await handedIn;
    await demo.page.reload();
    await demo.at('You are all set');
    expect(await demo.passkeys('Your passkeys')).toEqual(['Phone']);
    expect(await phone.passkeys()).toHaveLength(1);
    expect(world.stored(email)).toHaveLength(1);
  });

  it('after a lost answer, the demo’s button saves the passkey that the device has made', async () => {
    const { demo, email } = await verified();
    const phone = await demo.plug();
    await demo.page.route('**/api/onboarding/passkeys', (route) => route.abort(), { times: 1 });
    await demo.create('Phone');
    await demo.problem('This page cannot reach us');
    await demo.button('Save passkey').click();
    await demo.at('You are all set');
    expect(await phone.passkeys()).toHaveLength(1);
    expect(world.stored(email)).toHaveLength(1);
  });

  it('the demo and the device drop a passkey whose challenge expires before it is saved', async () => {
    const { demo, email } = await verified();
    const phone = await demo.plug();
    const end = await demo.tamper(() => ({ timeout: 12_000 }));
    await demo.page.route('**/api/onboarding/passkeys', (route) => route.abort());
    await demo.create('Phone');
    await demo.button('Save passkey').waitFor();
    expect(await phone.passkeys()).toHaveLength(1);
    await demo.problem('Phone: not saved in time. Create it again.');
    await until('the device forgets it', async () => (await phone.passkeys()).length === 0);
    await expectKeptBack(email);

    await end();
    await demo.page.unroute('**/api/onboarding/passkeys');
    await demo.create('Phone');
    await demo.at('You are all set');
    expect(await phone.passkeys()).toHaveLength(1);
  });

  it('the demo shows a message in a browser without passkeys', async () => {
    const demo = await world.visit({
      before: ({ page }) => page.addInitScript('delete window.PublicKeyCredential'),
    });
    const email = world.newEmail();
    await verify(demo, email);
    await demo.create();
    await demo.problem('This browser has no passkeys');
    await expectKeptBack(email);
  });

  it('a registered passkey cannot be registered again: the device and the service refuse it', async () => {
    const { demo, email } = await verified();
    await demo.plug();
    await demo.create();
    await demo.at('You are all set');
    const [first] = world.stored(email);
    await demo.button('Start again').click();
    await verify(demo, email);
    expect(await demo.button(/^Finish/).isVisible()).toBe(false);
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
    await demo.at('You are all set');
    const stored = world.stored(email).map(({ credentialId }) => credentialId);
    expect(new Set(stored).size).toBe(2);
    expect(stored).toContain(first!.credentialId);
  });

  it('the demo lets a user finish with the passkey that the device already has', async () => {
    const { demo, email } = await verified();
    const phone = await demo.plug();
    await demo.create();
    await demo.at('You are all set');
    await demo.button('Start again').click();
    await verify(demo, email);
    await demo.create();
    await demo.problem('Finish with it');
    expect(await keepScreenshots(demo.page, 'demo-passkey-exists')).toEqual([]);
    await demo.button('Finish with the passkey you have').click();
    await demo.at('You are all set');
    await demo.focused(demo.heading());
    await demo.page.getByText('This device has a passkey already').waitFor();
    expect(await keepScreenshots(demo.page, 'demo-kept')).toEqual([]);
    expect(await phone.passkeys()).toHaveLength(1);
    expect(world.stored(email)).toHaveLength(1);
    expect(await world.onboarding(email)).toMatchObject({ state: 'cancelled' });
  });

  it('the demo lets the user add a passkey of another device after a new code', async () => {
    const { demo, email } = await verified();
    await demo.timeline('The code was right').waitFor();
    expect(await keepScreenshots(demo.page, 'demo-passkey')).toEqual([]);
    const phone = await demo.plug();
    await demo.create('Phone');
    await demo.at('You are all set');
    await phone.touch(false);
    const key = await demo.plug({ transport: 'usb' });
    await demo.button('Add another passkey').click();
    await demo.at('Check your mail');
    await demo.enter(world.code(email));
    await demo.at('Create your passkey');
    await demo.create('Key');
    await demo.at('You are all set');
    expect(await demo.passkeys('Your passkeys')).toEqual(['Key']);

    const made = [...(await phone.passkeys()), ...(await key.passkeys())];
    expect(
      world
        .stored(email)
        .map(({ credentialId }) => credentialId)
        .toSorted(),
    ).toEqual(made.map(({ credentialId }) => credentialId).toSorted());
    expect(made).toHaveLength(2);
  });

  it('the demo completes the onboarding by itself after provider and service were down', async () => {
    const { demo, email } = await verified();
    const { id } = await world.onboarding(email);
    await demo.plug();
    const strike = { route: 'create-authenticators-otp', match: { userId: world.subject(email).userId } };
    world.story.sandbox.control.addFault({ ...strike, status: 503, retryAfterS: 60 });
    world.story.sandbox.control.addFault({ ...strike, status: 503, times: 2 });
    await demo.create();
    await demo.at('Saving your passkey');
    await demo.page.getByRole('status').getByText('We are still trying').waitFor();
    await demo.page.getByRole('main').getByText('Next try in').waitFor();
    const asked: Request[] = [];
    demo.page.on('request', (request) => asked.push(request));
    expect(await keepScreenshots(demo.page, 'demo-waiting')).toEqual([]);

    const connectsAgain = demo.page.waitForRequest('**/api/onboarding/events?*');
    await world.service.close();
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

/** Submits a new passkey with the id of a registered one. A real device never does this. */
async function replay(demo: DemoPage, credentialId: string): Promise<{ status: number; body: unknown }> {
  const { request } = demo.page.context();
  const { origin } = new URL(demo.page.url());
  const shown = (await (await request.get(`${origin}/api/onboarding`)).json()) as { ref: string };
  const headers = { 'x-onboarding': shown.ref };
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
