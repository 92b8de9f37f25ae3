import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Page } from 'playwright-core';
import { makePasskey } from '../../apps/sandbox/test/passkey.js';
import { startSandbox } from '../../apps/sandbox/src/sandbox.js';
import type { Sandbox } from '../../apps/sandbox/src/sandbox.js';
import { describeInBrowser, RealBrowser } from '../support/browser/browser.js';
import { VirtualAuthenticator } from '../support/browser/virtual-authenticator.js';
import { ClientSite, installTurnkeyClients, runBackend } from '../support/turnkey-clients.js';

jest.setTimeout(180_000);

const describeWithClients = (await installTurnkeyClients()) ? describe : describe.skip;
const UUID = /^[0-9a-f-]{36}$/;

describeWithClients.each([
  ['off', false],
  ['on', true],
] as const)("with captcha %s, Turnkey's official clients", (_name, captcha) => {
  let sandbox: Sandbox;
  let site: ClientSite;
  beforeAll(async () => {
    site = await ClientSite.open();
    sandbox = await startSandbox({ turnkey: { captcha, allowedOrigins: [site.origin] } });
    site.signerPublicKey = sandbox.turnkey.signerPublicKey;
  });
  afterAll(async () => {
    await sandbox?.close();
    await site?.close();
  });

  it('@turnkey/sdk-server takes a new contact from the code to the passkey', async () => {
    const contact = 'ana@example.com';
    const made = makePasskey();
    const transports = ['AUTHENTICATOR_TRANSPORT_INTERNAL'];
    const seen = (await runBackend({
      url: sandbox.url,
      facts: sandbox.turnkey,
      apiPrivateKey: sandbox.turnkey.apiPrivateKeyHex,
      contact,
      passkey: { ...made, attestation: { ...made.attestation, transports } },
    })) as Record<string, unknown> & {
      subOrganizationId: string;
      userId: string;
      authenticatorIds: string[];
    };

    const { subOrganizationId, userId, authenticatorIds } = seen;
    const passkey = { authenticatorId: authenticatorIds[0], credentialId: made.attestation.credentialId };
    const user = {
      userId,
      userName: 'Ana',
      userEmail: contact,
      authenticators: [passkey],
      apiKeys: [{ credential: { type: 'CREDENTIAL_TYPE_LOGIN' } }],
    };
    expect(seen).toMatchObject({
      whoami: { organizationId: sandbox.turnkey.organizationId },
      contact,
      found: [subOrganizationId, subOrganizationId],
      sessionIsGenuine: true,
      userId: expect.stringMatching(UUID),
      authenticatorIds: [expect.stringMatching(UUID)],
      activity: {
        status: 'ACTIVITY_STATUS_COMPLETED',
        result: { createAuthenticatorsResult: { authenticatorIds } },
      },
      authenticators: [passkey],
      user,
      users: [user],
      deleted: { status: 'ACTIVITY_STATUS_COMPLETED', authenticatorIds },
      refusal: expect.stringContaining('malformed organization ID provided'),
    });
    expect(sandbox.control.authenticators(userId)).toEqual([]);
  });

  describeInBrowser('@turnkey/core in a page of another origin', () => {
    let browser: RealBrowser;
    let page: Page;
    let complaints: string[];
    beforeAll(async () => {
      browser = await RealBrowser.launch();
    });
    beforeEach(async () => {
      sandbox.control.reset();
      ({ page, complaints } = await browser.open());
      await page.exposeFunction('codeFor', (otpId: string) => sandbox.control.mails({ otpId })[0]?.code);
      await page.goto(site.origin);
      await VirtualAuthenticator.plugInto(page);
    });
    afterEach(() => page.context().close());
    afterAll(() => browser?.close());

    const run = (name: string, more: object = {}, { url, turnkey }: Sandbox = sandbox) => {
      const { organizationId, authProxyConfigId } = turnkey;
      const settings = {
        url,
        organizationId,
        authProxyConfigId,
        ...(captcha && { captchaToken: 'a token' }),
      };
      const all = { ...settings, ...more };
      return page.evaluate(`${name}(${JSON.stringify(all)})`);
    };

    it('@turnkey/core signs up, adds a passkey, and logs in by every method', async () => {
      const contact = 'ben@example.com';
      const seen = (await run('runOnboarding', { contact })) as Record<string, unknown> & {
        organizationId: string;
        userId: string;
        authenticatorIds: string[];
      };
      const { organizationId, userId, authenticatorIds } = seen;
      const config = {
        organizationId: sandbox.turnkey.organizationId,
        otpLength: '9',
        otpAlphanumeric: true,
        enabledProviders: expect.arrayContaining(['email', 'passkey']),
      };
      expect(seen).toMatchObject({
        config,
        proxyConfig: config,
        clientParams: captcha ? { turnstileSiteKey: expect.any(String) } : {},
        actions: ['SIGNUP', 'LOGIN'],
        user: {
          userId,
          userEmail: contact,
          authenticators: [{ authenticatorId: authenticatorIds[0], authenticatorName: 'Phone' }],
        },
        byPasskey: { organizationId, userId },
        removed: authenticatorIds,
      });
      expect(sandbox.control.mails({ contact })).toHaveLength(2);
      expect(complaints).toEqual([]);
    });

    it('@turnkey/core signs up with only a passkey', async () => {
      expect(await run('runPasskeySignUp')).toEqual({ userName: 'Bob', passkeys: 1 });
    });

    it('@turnkey/core gets the reason for a refusal', async () => {
      expect(await run('runRefusals', { contact: 'eve@example.com' })).toEqual({
        withoutCaptcha: captcha ? expect.stringMatching(/captcha/i) : null,
        wrongCode: expect.stringMatching(/invalid OTP code/i),
      });
    });

    it('@turnkey/core cannot start if its origin is not allowed', async () => {
      const other = await startSandbox({ turnkey: { allowedOrigins: ['https://app.example'] } });
      expect(await run('runStart', {}, other)).toMatch(/failed to fetch/i);
      await other.close();
      expect(await run('runStart')).toBe('started');
    });
  });
});
