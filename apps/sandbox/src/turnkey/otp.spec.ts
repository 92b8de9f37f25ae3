import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { claimsOf } from '../../test/turnkey-caller.js';
import { resultOf, turnkeyUnderTest } from '../../test/turnkey-under-test.js';
import type { TurnkeyUnderTest } from '../../test/turnkey-under-test.js';
import { generateP256 } from '../p256.js';

const RATE_LIMITED =
  'this organization cannot execute activities because it has been rate limited. ' +
  'Please reach out to the Turnkey team (help@turnkey.com) for more information.';

let t: TurnkeyUnderTest;
beforeAll(async () => {
  t = await turnkeyUnderTest();
});
beforeEach(() => t.sandbox.control.reset());
afterAll(() => t.sandbox.close());

const init = (parameters: object, type = 'INIT_OTP_V3') =>
  t.parent.submit('init_otp', type, {
    otpType: 'OTP_TYPE_EMAIL',
    contact: t.newContact(),
    ...(type !== 'INIT_OTP' && { appName: 'Acme' }),
    ...parameters,
  });
const verify = (otpId: string, encryptedOtpBundle: string) =>
  t.parent.submit('verify_otp', 'VERIFY_OTP_V2', { otpId, encryptedOtpBundle });
const wrong = (code: string) => (code.startsWith('0') ? '1' : '0') + code.slice(1);

describe('a code', () => {
  it.each([
    [{}, /^[0-9A-HJKMNP-TV-Z]{9}$/],
    [{ otpLength: 6, alphanumeric: false }, /^\d{6}$/],
    [{ otpLength: 8 }, /^[0-9A-HJKMNP-TV-Z]{8}$/],
    [{ otpLength: 6, alphanumeric: false, contact: 'user@example.com' }, /^000000$/],
    [{ otpType: 'OTP_TYPE_SMS', contact: '+19999999999', otpLength: 6, alphanumeric: false }, /^000000$/],
  ])('has the form that the request asks for: %j', async (parameters, pattern) => {
    expect(await init(parameters)).toMatchObject({ status: 200 });
    expect(t.sandbox.control.mails()[0]?.code).toMatch(pattern);
  });

  it('arrives in a message with the requested appearance', async () => {
    const emailCustomization = {
      templateVariables: '{"name":"Ana"}',
      templateId: 't-1',
      magicLinkTemplate: 'https://a.example/%s',
    };
    const sender = { sendFromEmailSenderName: 'Acme', replyToEmailAddress: 'help@acme.example' };
    await init({ contact: 'Ana@example.com', emailCustomization, ...sender });
    await init({ contact: 'ana@example.com', sendFromEmailAddress: 'no@acme.example', ...sender });
    await init({
      otpType: 'OTP_TYPE_SMS',
      contact: '+33612345678',
      smsCustomization: { template: 'Code {{.OtpCode}}' },
    });
    const { body } = await t.control('GET', 'mailbox?contact=%2B33612345678');
    expect(body).toEqual([
      {
        otpId: expect.any(String),
        email: '',
        code: expect.any(String),
        at: '2026-11-20T10:00:00.000Z',
        contact: '+33612345678',
        channel: 'sms',
        message: { appName: 'Acme', smsCustomization: { template: 'Code {{.OtpCode}}' } },
      },
    ]);
    expect(t.sandbox.control.mails({ email: 'ana@example.com' })).toMatchObject([
      {
        channel: 'email',
        message: {
          appName: 'Acme',
          sender: { name: 'Acme', address: 'no@acme.example', replyTo: 'help@acme.example' },
        },
      },
      { contact: 'Ana@example.com', message: { emailCustomization, sender: { name: 'Notifications' } } },
    ]);
  });

  it.each([
    [{ otpLength: 5 }, /otpLength/],
    [{ otpLength: 10 }, /otpLength/],
    [{ expirationSeconds: '601' }, /expirationSeconds/],
    [{ expirationSeconds: 300 }, /expirationSeconds/],
    [{ contact: 'ana' }, /^invalid email address$/],
    [{ otpType: 'OTP_TYPE_SMS' }, /contact/],
    [{ emailCustomization: { templateVariables: { name: 'Ana' } } }, /templateVariables/],
    [{ emailCustomization: { templateVariables: 'name' } }, /templateVariables/],
    [{ emailCustomization: { magicLinkTemplate: 'https://a.example' } }, /magicLinkTemplate/],
    [{ emailCustomization: { appName: 'Acme' } }, /emailCustomization/],
    [{ smsCustomization: { template: 'Code' } }, /smsCustomization/],
    [{ sendFromEmailAddress: 'acme' }, /^invalid email address$/],
  ])('is not sent if the request has wrong parameters: %j', async (parameters, message) => {
    const answer = await init(parameters);
    expect(answer).toMatchObject({ status: 400, body: { code: 3, message: expect.stringMatching(message) } });
    expect(t.sandbox.control.mails()).toEqual([]);
  });

  it('is not sent if the same userIdentifier has asked for three codes in three minutes', async () => {
    for (let call = 0; call < 3; call += 1)
      expect(await init({ userIdentifier: 'u-1' })).toMatchObject({ status: 200 });
    const fourth = await init({ userIdentifier: 'u-1' });
    expect(fourth).toMatchObject({
      status: 429,
      body: { code: 8, message: RATE_LIMITED, details: [{ turnkeyErrorCode: 'RATE_LIMIT_EXCEEDED' }] },
    });
    expect(fourth.headers.get('retry-after')).toBeNull();
    expect(await init({ userIdentifier: 'u-2' })).toMatchObject({ status: 200 });
    t.sandbox.control.advanceClock(180_000, true);
    expect(await init({ userIdentifier: 'u-1' })).toMatchObject({ status: 200 });
  });

  it('is not sent while the contact has three live codes', async () => {
    const contact = t.newContact();
    for (let call = 0; call < 3; call += 1) expect(await init({ contact })).toMatchObject({ status: 200 });
    const fourth = { status: 400, body: { code: 3, details: [{ turnkeyErrorCode: 'MAX_OTP_INITIATED' }] } };
    expect(await init({ contact: contact.toUpperCase() })).toMatchObject(fourth);
    t.sandbox.control.advanceClock(300_000, true);
    expect(await init({ contact })).toMatchObject({ status: 200 });
  });
});

describe('Turnkey’s verify_otp', () => {
  it('answers with a token that names the verified contact', async () => {
    const contact = t.newContact();
    const { token, session } = await t.verified(contact, generateP256(), '60');
    expect(claimsOf(token)).toEqual({
      exp: String(t.clock.nowMs() + 60_000),
      id: expect.any(String),
      organization_id: t.parent.organizationId,
      verification_type: 'OTP_TYPE_EMAIL',
      contact,
      public_key: session.compressed,
    });
  });

  it('locks a code at the third wrong try, and counts a repeated request once', async () => {
    const { otpId, code, seal } = await t.sent(t.newContact());
    const session = generateP256();
    const miss = t.parent.activity('VERIFY_OTP_V2', {
      otpId,
      encryptedOtpBundle: await seal(wrong(code), session),
    });
    const invalid = { status: 400, body: { code: 3, message: 'invalid OTP code', details: [] } };
    for (let call = 0; call < 5; call += 1)
      expect(await t.parent.send('submit/verify_otp', miss)).toMatchObject(invalid);
    expect(await verify(otpId, await seal(wrong(code), session))).toMatchObject(invalid);
    expect(t.sandbox.control.requests().at(-1)?.effect).toEqual({ type: 'otp_missed', otpId, triesLeft: 1 });
    expect(await verify(otpId, await seal(wrong(code), session))).toMatchObject(invalid);
    const locked = await verify(otpId, await seal(code, session));
    expect(locked).toMatchObject({ status: 400, body: { message: 'OTP code is locked: too many attempts' } });
  });

  it('refuses a used, expired or unknown code', async () => {
    const [late, used] = [
      await t.sent(t.newContact(), { expirationSeconds: '600' }),
      await t.sent(t.newContact()),
    ];
    const session = generateP256();
    expect(await verify(used.otpId, await used.seal(used.code, session))).toMatchObject({ status: 200 });
    expect(await verify(used.otpId, await used.seal(used.code, session))).toMatchObject({
      body: { message: 'OTP code already used' },
    });
    t.sandbox.control.advanceClock(599_999, true);
    expect(await verify(late.otpId, 'x')).toMatchObject({
      body: { message: expect.stringContaining('bundle') },
    });
    t.sandbox.control.advanceClock(1, true);
    expect(await verify(late.otpId, await late.seal(late.code, session))).toMatchObject({
      status: 400,
      body: { message: 'expired OTP code' },
    });
    expect(await verify('x', 'x')).toMatchObject({ status: 400, body: { message: 'OTP not found' } });
  });

  it('refuses a bundle that cannot be decrypted, without counting a try', async () => {
    const [mine, other] = [await t.sent(t.newContact()), await t.sent(t.newContact())];
    const session = generateP256();
    const good = JSON.parse(await mine.seal(mine.code, session)) as {
      encappedPublic: string;
      ciphertext: string;
    };
    const flipped = good.ciphertext.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
    const bad = [
      JSON.stringify({ ...good, ciphertext: flipped }),
      JSON.stringify({ ...good, encappedPublic: good.encappedPublic.slice(2) }),
      JSON.stringify({ ...good, ciphertext: 'zz' }),
      await other.seal(mine.code, session),
      'no json',
    ];
    for (const bundle of bad) {
      const answer = await verify(mine.otpId, bundle);
      expect(answer).toMatchObject({
        status: 400,
        body: { message: expect.stringMatching(/^invalid encrypted OTP bundle/) },
      });
    }
    expect(await verify(mine.otpId, JSON.stringify(good))).toMatchObject({ status: 200 });
  });

  it('refuses a code if the versions of init_otp and verify_otp do not fit together', async () => {
    const session = generateP256();
    const { otpId, code } = await t.sent(t.newContact());
    const plain = { otpId, otpCode: code };
    expect(await t.parent.submit('verify_otp', 'VERIFY_OTP', plain)).toMatchObject({ status: 400 });
    for (const type of ['INIT_OTP', 'INIT_OTP_V2']) {
      const { body } = await init({}, type);
      expect(resultOf(body, 'initOtpResult')).toEqual({ otpId: expect.any(String) });
      const { otpId = '' } = resultOf(body, 'initOtpResult');
      expect(await verify(otpId, 'x')).toMatchObject({ status: 400 });
      const otpCode = t.sandbox.control.mails({ otpId })[0]?.code;
      const first = { otpId, otpCode, publicKey: session.compressed };
      const answer = await t.parent.submit('verify_otp', 'VERIFY_OTP', first);
      const { verificationToken = '' } = resultOf(answer.body, 'verifyOtpResult');
      expect(claimsOf(verificationToken)).toMatchObject({ public_key: session.compressed });
    }
  });
});
