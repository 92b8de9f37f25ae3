import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, it, jest } from '@jest/globals';
import { faultsByAxe } from '../../support/browser/axe.js';
import { describeInBrowser } from '../../support/browser/browser.js';
import { DemoWorld } from '../../support/demo/demo-world.js';

jest.setTimeout(240_000);

let world: DemoWorld;

describeInBrowser('axe on a small phone and a laptop, light and dark', () => {
  beforeAll(async () => {
    world = await DemoWorld.begin();
  });
  afterEach(async () => expect(await world.leave()).toEqual([]));
  afterAll(() => world?.end());

  it('axe finds no fault on the demo at each step, after a refusal, and at the end', async () => {
    const email = world.newEmail();
    const demo = await world.visit();
    const { page } = demo;
    await demo.plug();
    await demo.at('Set up your wallet');
    expect(await faultsByAxe(page)).toEqual([]);
    await demo.start(email);
    await demo.enter(world.story.wrongCode(world.subject(email)));
    await demo.problem('You have 2 tries left');
    expect(await faultsByAxe(page)).toEqual([]);
    await demo.enter(world.code(email));
    await demo.at('Create your passkey');
    expect(await faultsByAxe(page)).toEqual([]);
    await demo.create();
    await demo.at('You are all set');
    expect(await faultsByAxe(page)).toEqual([]);
    await demo.button('Add another passkey').click();
    await demo.at('Check your mail');
    await demo.enter(world.code(email));
    await demo.create();
    await demo.problem('This device has a passkey for you already');
    expect(await faultsByAxe(page)).toEqual([]);
    await demo.button(/^Finish/).click();
    await demo.at('You are all set');
    expect(await faultsByAxe(page)).toEqual([]);
  });

  it('axe finds no fault on the page of docs/integrate.md', async () => {
    const { page } = await world.visit();
    await page.goto(new URL('/minimal.html', page.url()).href);
    await page.getByRole('main').getByRole('button', { name: 'Send me a code' }).waitFor();
    expect(await faultsByAxe(page)).toEqual([]);
  });

  it('axe finds no fault on the sandbox’s page, with and without mail and filtered by address', async () => {
    const { page } = await world.visit();
    world.story.sandbox.control.reset();
    await page.goto(`${world.story.sandbox.url}/_sandbox/`);
    await page.getByText('No mail yet').waitFor();
    expect(await faultsByAxe(page)).toEqual([]);

    const email = `${'a'.repeat(60)}@${'b'.repeat(60)}.example.com`;
    const subject = { accountId: randomUUID(), userId: randomUUID(), email };
    world.story.sandbox.control.addSubject(subject);
    await world.story.started(subject, { integration: 'byzantine' });
    await page.getByRole('button', { name: `Copy the code for ${subject.email}` }).waitFor();
    await page.getByRole('button', { name: 'Answer 503 twice to the next code mail' }).click();
    await page.getByText('2 × to come').waitFor();
    await page.getByText('Another fault').click();
    expect(await faultsByAxe(page)).toEqual([]);

    await page.getByLabel('Address').fill('z'.repeat(100));
    await page.getByText('zzz').waitFor();
    expect(await faultsByAxe(page)).toEqual([]);
  });

  it('axe finds no fault on the list of errors', async () => {
    const { page } = await world.visit();
    await page.goto(`${world.story.serviceUrl}/docs/errors#otp_invalid`);
    await page.locator('#otp_invalid').waitFor();
    expect(await faultsByAxe(page)).toEqual([]);
  });
});
