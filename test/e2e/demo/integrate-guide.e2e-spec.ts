import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '#libs/testing';
import { copyExample } from '../../support/demo/integrate-guide.js';
import { createPasskey } from '../../../tools/passkey.js';
import { DemoBrowser } from '../../support/demo/demo-browser.js';
import { ORIGIN, RP_ID, Story } from '../../support/story.js';

let story: Story;
let main: string;
beforeAll(async () => {
  story = await Story.begin();
  main = copyExample(story);
});
afterAll(() => story.end());

describe('the program of docs/integrate.md', () => {
  it('completes an onboarding although the provider fails for a while', async () => {
    const mine = await story.startDemo({}, main);
    const browser = new DemoBrowser(mine.url);
    const email = 'ana@example.com';
    expect((await browser.get()).body.nextAction.type).toBe('start');
    expect((await browser.post('', { email })).body.nextAction.type).toBe('submit_otp');
    const [mail] = story.sandbox.control.mails({ email });
    const { nextAction } = (await browser.post('/code', { code: mail!.code })).body;
    expect(nextAction.type).toBe('submit_authenticators');

    const options = (await browser.post('/passkeys/options', {})).body as unknown as { challenge: string };
    const credential = createPasskey({ rpId: RP_ID, origin: ORIGIN, challenge: options.challenge });
    story.sandbox.control.addFault({ route: 'create-authenticators-otp', status: 503, times: 2 });
    await browser.post('/passkeys', { credentials: [{ name: 'My device', credential }] });
    await until('completed', async () => (await browser.get()).body.state === 'completed');
    expect((await browser.get()).body.authenticators).toMatchObject([{ authenticatorName: 'My device' }]);
  });

  it('serves a page with all its scripts', async () => {
    const mine = await story.startDemo({}, main);
    const seen = new Set<string>();
    const follow = async (url: string) => {
      if (seen.has(url)) return;
      seen.add(url);
      const response = await fetch(url);
      expect({ url, status: response.status }).toEqual({ url, status: 200 });
      const text = await response.text();
      const refs = text.matchAll(/(?:src="|href="|from ')([\w./-]+\.(?:js|css|svg))["']/g);
      for (const [, path = ''] of refs) await follow(new URL(path, url).href);
    };
    await follow(`${mine.url}/`);
    expect([...seen]).toContain(`${mine.url}/vendor/simplewebauthn/methods/startRegistration.js`);
  });
});
