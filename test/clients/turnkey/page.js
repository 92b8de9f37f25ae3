/**
 * A page that uses `@turnkey/core`. `official-turnkey-clients.long-spec.ts` bundles and serves it, and calls
 * the `run…` functions in Chromium.
 */
import { getAuthProxyConfig, getClientParams, OtpType, TurnkeyClient } from '@turnkey/core';

/** @returns an initialized client, and the configuration of its auth proxy. */
async function start({ url, organizationId, authProxyConfigId }) {
  const config = await getAuthProxyConfig(authProxyConfigId, url);
  const clientParams = await getClientParams(authProxyConfigId, url);
  const client = new TurnkeyClient({
    apiBaseUrl: url,
    authProxyUrl: url,
    authProxyConfigId,
    organizationId,
    passkeyConfig: { rpId: window.location.hostname },
  });
  await client.init();
  return { client, config, clientParams };
}

/** A captcha token is valid for only one request, so each request gets a new token. */
const captchaOf = (token) => token && { captchaToken: `${token} ${crypto.randomUUID()}` };

/** Sends a code, reads the code from the sandbox's mailbox, and logs in or signs up with the code. */
async function complete(client, contact, captchaToken) {
  const captcha = captchaOf(captchaToken);
  const sent = await client.initOtp({ otpType: OtpType.Email, contact, ...captcha });
  const otpCode = await window.codeFor(sent.otpId);
  return client.completeOtp({ ...sent, otpCode, contact, otpType: OtpType.Email, ...captcha });
}

/** Runs a whole onboarding: code, passkey, and a login by every method. */
async function runOnboarding({ contact, captchaToken, ...settings }) {
  const { client, config, clientParams } = await start(settings);
  const proxyConfig = await client.getProxyAuthConfig();
  const first = await complete(client, contact, captchaToken);
  const { organizationId, userId } = await client.getSession();
  const authenticatorIds = await client.addPasskey({ name: 'Phone' });
  const user = await client.fetchUser();
  await client.refreshSession();
  await client.logout();

  const second = await complete(client, contact, captchaToken);
  await client.logout();
  await client.loginWithPasskey();
  const byPasskey = await client.getSession();
  const removed = await client.removePasskeys({ authenticatorIds });
  await client.logout();
  return {
    config,
    proxyConfig,
    clientParams,
    actions: [first.action, second.action],
    organizationId,
    userId,
    user,
    authenticatorIds,
    byPasskey: { organizationId: byPasskey.organizationId, userId: byPasskey.userId },
    removed,
  };
}

/** Signs up with a passkey and without a code. */
async function runPasskeySignUp({ captchaToken, ...settings }) {
  const { client } = await start(settings);
  const captcha = captchaOf(captchaToken);
  await client.signUpWithPasskey({ createSubOrgParams: { userName: 'Bob' }, ...captcha });
  const user = await client.fetchUser();
  return { userName: user.userName, passkeys: user.authenticators.length };
}

/** @returns the error text of each refusal, with the text of its cause. */
async function runRefusals({ contact, captchaToken, ...settings }) {
  const { client } = await start(settings);
  const captcha = captchaOf(captchaToken);
  const refusalOf = (promise) =>
    promise.then(
      () => null,
      (error) => `${error} ${error.cause ?? ''}`,
    );
  const withoutCaptcha = await refusalOf(client.initOtp({ otpType: OtpType.Email, contact }));
  const sent = await client.initOtp({ otpType: OtpType.Email, contact, ...captcha });
  const wrongCode = await refusalOf(client.verifyOtp({ ...sent, otpCode: 'AAAAAAAAA' }));
  return { withoutCaptcha, wrongCode };
}

/** @returns whether the client can start. */
const runStart = (settings) =>
  start(settings).then(
    () => 'started',
    (error) => String(error),
  );

Object.assign(window, { runOnboarding, runPasskeySignUp, runRefusals, runStart });
