import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals';
import { RealBrowser, describeInBrowser, type WatchedPage } from '../../support/browser/browser.js';
import { VirtualAuthenticator } from '../../support/browser/virtual-authenticator.js';

/** A minimal registration. It returns the credential's id, or the name of the error. */
const create = (user: string, exclude: string[] = []) => `
  navigator.credentials.create({ publicKey: {
    rp: { id: 'localhost', name: 'Acme' },
    user: { id: new TextEncoder().encode('${user}'), name: '${user}', displayName: '${user}' },
    challenge: new Uint8Array(32),
    pubKeyCredParams: [{ type: 'public-key', alg: -7 }],
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    excludeCredentials: ${JSON.stringify(exclude)}.map((id) => ({
      type: 'public-key',
      id: Uint8Array.fromBase64(id, { alphabet: 'base64url' }),
    })),
    timeout: 2000,
  } }).then(({ id }) => id, ({ name }) => name)`;

describeInBrowser('the virtual authenticator of a page', () => {
  let server: Server;
  let browser: RealBrowser;
  let watched: WatchedPage;
  beforeAll(async () => {
    server = createServer((_, response) => response.setHeader('content-type', 'text/html').end('<p>empty'));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    browser = await RealBrowser.launch();
  });
  beforeEach(async () => {
    watched = await browser.open();
    await watched.page.goto(`http://localhost:${(server.address() as AddressInfo).port}/`);
  });
  afterEach(() => watched.page.context().close());
  afterAll(async () => {
    await browser?.close();
    server.close();
  });

  it('a virtual authenticator stores passkeys, and makes none if it has an excluded passkey', async () => {
    const phone = await VirtualAuthenticator.plugInto(watched.page);
    const id = await watched.page.evaluate<string>(create('ana'));
    expect(await phone.passkeys()).toMatchObject([
      { credentialId: id, rpId: 'localhost', isResidentCredential: true, signCount: 1 },
    ]);
    expect(await watched.page.evaluate(create('ana', [id]))).toBe('InvalidStateError');
    await watched.page.evaluate(create('ben'));
    expect(await phone.passkeys()).toHaveLength(2);
  });

  it('a virtual authenticator makes no passkey without user verification or without a touch', async () => {
    const key = await VirtualAuthenticator.plugInto(watched.page, {
      transport: 'usb',
      isUserVerified: false,
    });
    expect(await watched.page.evaluate(create('ana'))).toBe('NotAllowedError');
    await key.verifyUser(true);
    await key.touch(false);
    expect(await watched.page.evaluate(create('ana'))).toBe('NotAllowedError');
    expect(await key.passkeys()).toEqual([]);
    await key.touch(true);
    await watched.page.evaluate(create('ana'));
    expect(await key.passkeys()).toHaveLength(1);
  });

  it('a virtual authenticator cannot be found after it is removed', async () => {
    const key = await VirtualAuthenticator.plugInto(watched.page, { transport: 'usb' });
    await key.unplug();
    expect(await watched.page.evaluate(create('ana'))).toBe('NotAllowedError');
  });

  it('a browser test reports the exceptions and console errors of its page', async () => {
    await watched.page.evaluate(`console.error('of the page')`);
    await watched.page.evaluate(`void Promise.reject(new Error('of a promise'))`);
    await watched.page.waitForFunction('true');
    expect(watched.complaints).toEqual(['console: of the page', expect.stringContaining('of a promise')]);
  });
});
