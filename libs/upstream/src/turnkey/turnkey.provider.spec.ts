import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Secret, systemClock } from '#libs/kernel';
import { activityFingerprint } from '#libs/signing';
import { aCall } from '#libs/testing';
import { Doors, aPasskey, deviceRequest } from '../fixtures/doors.js';
import { Device } from '../fixtures/device.js';
import { endOf } from '../fixtures/end-of.js';
import type { Call, Grant, OtpChoice, OtpProof, SentOtp, Subject } from '../port/upstream-provider.js';
import type { TurnkeyProvider } from './turnkey.provider.js';

let doors: Doors;
let provider: TurnkeyProvider;
beforeAll(async () => {
  doors = await Doors.open();
  provider = doors.turnkey();
});
afterEach(() => doors.reset());
afterAll(() => doors.close());

const newEmail = () => `${randomUUID()}@example.com`;
const byEmail = (value = newEmail()): Subject => ({ contact: { type: 'email', value } });
const known = (contact = newEmail()) => {
  const { organizationId, userId } = doors.sandbox.control.addTurnkeySubject({ contact });
  return { organizationId, userId, contact, subject: byEmail(contact) };
};
const codeFor = (sent: SentOtp): OtpProof => ({ type: 'code', code: new Secret(doors.codeOf(sent)) });
const fault = (spec: Parameters<typeof doors.sandbox.control.addFault>[0]) =>
  doors.sandbox.control.addFault(spec);
const effects = (route: string) =>
  doors.sandbox.control.requests({ route }).filter(({ effect }) => effect !== null);
const typesOf = (path: string) =>
  doors.http
    .bodies(path)
    .map((body) => (JSON.parse(body) as { type: string }).type.replace('ACTIVITY_TYPE_', ''));

interface Terms {
  at?: TurnkeyProvider;
  subject?: Subject;
  choice?: OtpChoice;
}
async function sentTo({ at = provider, subject = known().subject, choice = {} }: Terms = {}) {
  const sent = await at.initOtp(aCall(), subject, choice);
  return { at, subject, sent };
}
async function toVerify(terms: Terms = {}, call: Call = aCall()) {
  const { at, subject, sent } = await sentTo(terms);
  const proof = codeFor(sent);
  return { subject, sent, call, verify: (using = call) => at.verifyOtp(using, subject, sent, proof) };
}
async function toCreate(terms: Terms = {}, call: Call = aCall()) {
  const { subject, verify } = await toVerify(terms);
  const grant = await verify();
  const { authenticator } = aPasskey();
  return {
    subject,
    grant: grant as Grant & { type: 'session-key' },
    authenticator,
    create: (using = call) => provider.createAuthenticators(using, subject, grant, [authenticator]),
  };
}

describe('the version of Turnkey’s activities', () => {
  const older = () => doors.turnkey({ initOtp: 'V1' });

  it('is V1 up to the login, with the code in plain text, if initOtp is V1', async () => {
    const { subject, sent, verify } = await toVerify({ at: older() });
    expect(sent).toEqual({ handle: expect.any(String), lifeMs: 300_000 });
    const grant = await verify();
    expect(['init_otp', 'verify_otp', 'otp_login'].flatMap(typesOf)).toEqual([
      'INIT_OTP',
      'VERIFY_OTP',
      'OTP_LOGIN',
    ]);
    const created = await provider.createAuthenticators(aCall(), subject, grant, [aPasskey().authenticator]);
    expect(created).toHaveLength(1);
  });

  it('for the sign-up of a new user is V7 if initOtp is V1', async () => {
    const { verify } = await toVerify({ at: older(), subject: byEmail() });
    expect(await verify()).toMatchObject({ type: 'session-key' });
    expect(typesOf('create_sub_organization')).toEqual(['CREATE_SUB_ORGANIZATION_V7']);
  });

  it.each([
    ['V1', 'V3', 'VERIFY_OTP', 'OTP_LOGIN'],
    ['V3', 'V1', 'VERIFY_OTP_V2', 'OTP_LOGIN_V2'],
  ] as const)(
    'of a code sent with %s stays the same after a change to %s',
    async (before, after, ...types) => {
      const { subject, sent } = await sentTo({ at: doors.turnkey({ initOtp: before }) });
      await doors.turnkey({ initOtp: after }).verifyOtp(aCall(), subject, sent, codeFor(sent));
      expect(['verify_otp', 'otp_login'].flatMap(typesOf)).toEqual(types);
    },
  );

  it('of a stored request stays the same if the request is sent again', async () => {
    const call = aCall();
    const { subject } = known();
    fault({ route: 'init_otp', cut: 'after' });
    await endOf(doors.turnkey({ initOtp: 'V1' }).initOtp(call, subject, {}));
    const sent = await provider.initOtp(call, subject, {});
    expect(sent.targetBundle).toBeUndefined();
    expect(typesOf('init_otp')).toEqual(['INIT_OTP', 'INIT_OTP']);
  });
});

describe('the request init_otp at Turnkey', () => {
  const customization = {
    logoUrl: 'https://app.example.com/logo.png',
    magicLinkTemplate: 'https://app.example.com/otp?code=%s',
    templateVariables: '{"name":"Ana"}',
    templateId: 'tpl-1',
  };
  const all = {
    otpType: 'OTP_TYPE_EMAIL',
    otpLength: 8,
    alphanumeric: true,
    expirationSeconds: 120,
    userIdentifier: 'user-1',
    emailCustomization: customization,
    smsCustomization: { template: 'Your code: {{.OtpCode}}' },
    sendFromEmailAddress: 'codes@app.example.com',
    sendFromEmailSenderName: 'Acme codes',
    replyToEmailAddress: 'help@app.example.com',
  };

  it('contains every documented parameter in its documented form', async () => {
    const contact = newEmail();
    const subject = byEmail(contact);
    const { choice } = provider.parseOtpChoice(all, subject);
    const { sent } = await sentTo({ subject, choice });
    expect(JSON.parse(doors.http.bodies('init_otp')[0]!)).toEqual({
      type: 'ACTIVITY_TYPE_INIT_OTP_V3',
      timestampMs: expect.stringMatching(/^\d{13}$/),
      organizationId: doors.sandbox.turnkey.organizationId,
      parameters: { ...all, expirationSeconds: '120', contact, appName: 'Acme' },
    });
    expect(sent.lifeMs).toBe(120_000);
    const [mail] = doors.sandbox.control.mails({ otpId: sent.handle });
    expect(mail).toMatchObject({
      contact,
      code: expect.stringMatching(/^[0-9A-Z]{8}$/),
      message: {
        appName: 'Acme',
        emailCustomization: customization,
        sender: { name: 'Acme codes', address: 'codes@app.example.com', replyTo: 'help@app.example.com' },
      },
    });
  });

  it('sends a text message to a phone', async () => {
    const subject: Subject = { contact: { type: 'phone', value: '+33612345678' } };
    const { smsCustomization } = all;
    const { sent } = await sentTo({ subject, choice: { smsCustomization } });
    const [message] = doors.sandbox.control.mails({ otpId: sent.handle });
    expect(message).toMatchObject({ channel: 'sms', contact: '+33612345678', message: { smsCustomization } });
  });

  it('contains the application’s name inside the customization in V1', async () => {
    const { sent } = await sentTo({
      at: doors.turnkey({ initOtp: 'V1' }),
      choice: { emailCustomization: { templateId: 't' } },
    });
    const [mail] = doors.sandbox.control.mails({ otpId: sent.handle });
    expect(mail!.message).toMatchObject({ emailCustomization: { appName: 'Acme', templateId: 't' } });
  });

  it('contains the caller’s options, merged into the defaults member by member', async () => {
    const otpDefaults = {
      otpLength: 7,
      alphanumeric: false,
      emailCustomization: { templateId: 't', logoUrl: customization.logoUrl },
    };
    const choice = { otpLength: 9, emailCustomization: { templateId: 'other' } };
    await sentTo({ at: doors.turnkey({ otpDefaults }), choice });
    expect(JSON.parse(doors.http.bodies('init_otp')[0]!)).toMatchObject({
      parameters: {
        otpLength: 9,
        alphanumeric: false,
        emailCustomization: { templateId: 'other', logoUrl: customization.logoUrl },
      },
    });
  });

  it('is not built if otpType does not fit the contact, or is in the integration’s default options', () => {
    const { subject } = known();
    expect(() => provider.parseOtpChoice({ otpType: 'OTP_TYPE_SMS' }, subject)).toThrow(
      expect.objectContaining({ errors: [expect.objectContaining({ pointer: '/otp/otpType' })] }),
    );
    expect(provider.parseOtpChoice({ otpType: 'OTP_TYPE_EMAIL' }, subject).choice).toEqual({
      otpType: 'OTP_TYPE_EMAIL',
    });
    expect(() => doors.turnkey({ otpDefaults: { otpType: 'OTP_TYPE_SMS' } })).toThrow(/otpType/);
  });

  it('creates a new activity each time, even within the same millisecond', async () => {
    const still = doors.turnkey({}, { ...systemClock, nowMs: () => Date.now() - (Date.now() % 60_000) });
    const { subject } = known();
    const [first, second] = [await sentTo({ at: still, subject }), await sentTo({ at: still, subject })];
    expect(first.sent.handle).not.toBe(second.sent.handle);
  });

  it('is throttled if too many codes are still valid', async () => {
    const { subject } = known();
    for (let codes = 0; codes < 3; codes += 1) await provider.initOtp(aCall(), subject, {});
    expect(await endOf(provider.initOtp(aCall(), subject, {}))).toMatchObject({ failure: 'throttled' });
  });
});

describe('an activity of Turnkey', () => {
  const routes = ['init_otp', 'verify_otp', 'create_sub_organization', 'otp_login', 'create_authenticators'];
  const wholeWay = async (call: (step: string) => Call = () => aCall()) => {
    const subject = byEmail();
    const sent = await provider.initOtp(call('init'), subject, {});
    const grant = await provider.verifyOtp(call('verify'), subject, sent, codeFor(sent));
    return provider.createAuthenticators(call('create'), subject, grant, [aPasskey().authenticator]);
  };

  it.each(routes)('returned by %s may contain its result in a nested activity', async (route) => {
    fault({ route, activity: { nested: true } });
    expect(await wholeWay()).toHaveLength(1);
  });

  it.each(routes)('returned by %s is polled while it is pending', async (route) => {
    fault({ route, activity: { status: 'PENDING', polls: 1 } });
    expect(await wholeWay()).toHaveLength(1);
    // The first poll returns a pending activity, the second one a completed activity.
    expect(doors.sandbox.control.requests({ route: 'get_activity' })).toHaveLength(2);
    expect(effects(route)).toHaveLength(1);
  });

  it('is polled again after a refused poll', async () => {
    fault({ route: 'init_otp', activity: { polls: 1 } });
    fault({ route: 'get_activity', status: 429 });
    await sentTo();
    expect(doors.sandbox.control.requests({ route: 'get_activity' })).toHaveLength(3);
  });

  it.each(['CREATED', 'PENDING'])(
    'ends in no_answer if it stays %s, and a repeat finds its result',
    async (status) => {
      fault({ route: 'init_otp', activity: { status, polls: 2 } });
      const call = aCall({ timeoutMs: 800 });
      const { subject } = known();
      expect(await endOf(provider.initOtp(call, subject, {}))).toMatchObject({ failure: 'no_answer' });
      expect(await endOf(provider.initOtp(aCall({ kept: call.kept }), subject, {}))).toBe('well');
      expect(effects('init_otp')).toHaveLength(1);
    },
  );

  const failed = (status: number, message: string) => ({ status: 'FAILED', failure: { status, message } });
  it.each([
    {
      what: 'needs votes',
      activity: { status: 'CONSENSUS_NEEDED' },
      failure: 'rejected',
      reason: 'consensus_needed',
    },
    {
      what: 'needs factors',
      activity: { status: 'AUTHENTICATORS_NEEDED' },
      failure: 'rejected',
      reason: 'mfa_needed',
    },
    { what: 'was voted down', activity: { status: 'REJECTED' }, failure: 'rejected' },
    { what: 'failed by itself', activity: { status: 'FAILED' }, failure: 'rejected_unclear' },
    {
      what: 'failed for its attestation',
      activity: failed(400, 'Invalid Authenticator attestation'),
      failure: 'rejected',
      reason: 'attestation_invalid',
    },
    {
      what: 'failed for an unknown user',
      activity: failed(404, 'no user found'),
      failure: 'rejected',
      reason: 'subject_not_found',
    },
    // The same bytes always mean this activity, so a repeat would end in the same way.
    { what: 'failed for a limit', activity: failed(429, 'rate limited'), failure: 'rejected_unclear' },
    { what: 'failed for a policy', activity: failed(403, 'request not authorized'), failure: 'rejected' },
    {
      what: 'failed for the session’s key',
      activity: failed(401, 'expired api key'),
      failure: 'rejected',
      reason: 'session_expired',
    },
  ])('that $what ends the step, because a repeat would not help', async ({ activity, failure, reason }) => {
    const { create, grant } = await toCreate();
    fault({ route: 'create_authenticators', activity });
    const end = await endOf(create());
    expect(end).toMatchObject({ failure });
    expect(end).toHaveProperty('reason', reason);
    expect(doors.sandbox.control.authenticators(grant.userId)).toEqual([]);
  });

  it.each(['init_otp', 'get_activity'])('from %s with another fingerprint is refused', async (route) => {
    const { subject } = known();
    const other = (await sentTo({ subject })).sent.handle;
    const fingerprint = activityFingerprint('something else');
    const result = { initOtpResult: { otpId: other, otpEncryptionTargetBundle: '{}' } };
    const activity = {
      id: 'a',
      organizationId: 'o',
      status: 'ACTIVITY_STATUS_COMPLETED',
      fingerprint,
      result,
    };
    if (route === 'get_activity') fault({ route: 'init_otp', activity: { polls: 1 } });
    fault({ route, status: 200, body: { activity } });
    const { kept } = aCall();
    const init = () => provider.initOtp(aCall({ kept }), subject, {});
    expect(await endOf(init())).toMatchObject({
      failure: 'no_answer',
      message: expect.stringContaining('the activity of another request'),
    });
    expect((await init()).handle).not.toBe(other);
  });

  it('that failed because our key lacks the rights ends the step as rejected_unclear', async () => {
    fault({
      route: 'init_otp',
      activity: { status: 'FAILED', failure: { status: 403, message: 'request not authorized' } },
    });
    expect(await endOf(provider.initOtp(aCall(), known().subject, {}))).toMatchObject({
      failure: 'rejected_unclear',
    });
  });

  it('is the same if the same body is sent again, although each try has a new stamp', async () => {
    const kept = aCall().kept;
    const { create } = await toCreate();
    for (let tries = 0; tries < 2; tries += 1) {
      fault({ route: 'create_authenticators', status: 503 });
      expect(await endOf(create(aCall({ kept })))).toMatchObject({ failure: 'unavailable' });
    }
    await create(aCall({ kept }));
    const [first, ...others] = doors.http.bodies('create_authenticators').map(activityFingerprint);
    expect(others).toEqual([first, first]);
    expect(effects('create_authenticators')).toHaveLength(1);
  });
});

describe('the step verify-otp at Turnkey', () => {
  it('finds the sub-organization by the contact', async () => {
    const { organizationId, userId, subject } = known();
    const { verify } = await toVerify({ subject });
    expect(await verify()).toMatchObject({ type: 'session-key', organizationId, userId });
    expect(doors.http.bodies('create_sub_organization')).toEqual([]);
  });

  it('logs in to the organization that the subject names, without a lookup', async () => {
    const { organizationId, userId, subject } = known();
    const { verify } = await toVerify({ subject: { ...subject, organizationId, userId } });
    expect(await verify()).toMatchObject({ organizationId, userId });
    expect(doors.http.bodies('list_verified_suborgs')).toEqual([]);
  });

  it('opens a session with the configured lifetime', async () => {
    const { verify } = await toVerify({ at: doors.turnkey({ sessionLifeS: 3_600 }) });
    const { expiresAt } = await verify();
    expect(Math.abs(expiresAt.getTime() - Date.now() - 3_600_000)).toBeLessThan(30_000);
  });

  it.each(['create_sub_organization', 'otp_login', 'verify_otp'])(
    'recovers from a lost answer of %s',
    async (route) => {
      const { verify, call } = await toVerify({ subject: byEmail() });
      fault({ route, cut: 'after' });
      expect(await endOf(verify())).toMatchObject({ failure: 'no_answer', evidence: { bytesSent: true } });
      expect(await verify(aCall({ kept: call.kept }))).toMatchObject({ type: 'session-key' });
      for (const each of ['verify_otp', 'create_sub_organization', 'otp_login'])
        expect(effects(each)).toHaveLength(1);
    },
  );

  it.each([
    ['list_verified_suborgs', byEmail],
    ['create_sub_organization', byEmail],
    ['otp_login', () => known().subject],
  ] as const)('continues at %s after a 429 there, without a second verification', async (route, subject) => {
    const { verify, call } = await toVerify({ subject: subject() });
    fault({ route, status: 429 });
    expect(await endOf(verify())).toMatchObject({ failure: 'unavailable' });
    fault({ route: 'verify_otp', status: 429, times: 0 });
    expect(await verify(aCall({ kept: call.kept }))).toMatchObject({ type: 'session-key' });
    expect(doors.http.bodies('verify_otp')).toHaveLength(1);
  });

  it('does not store an invalid token', async () => {
    const { verify, call } = await toVerify();
    const activity = {
      id: 'a',
      organizationId: 'o',
      status: 'ACTIVITY_STATUS_COMPLETED',
      result: { verifyOtpResult: { verificationToken: 'no token' } },
    };
    fault({ route: 'verify_otp', status: 200, body: { activity } });
    expect(await endOf(verify())).toMatchObject({ failure: 'no_answer' });
    expect(await verify(aCall({ kept: call.kept }))).toMatchObject({ type: 'session-key' });
    expect(new Set(doors.http.bodies('verify_otp')).size).toBe(1);
  });

  it('makes only one sub-organization, even if Turnkey’s list of sub-organizations is outdated', async () => {
    const { verify, call } = await toVerify({ subject: byEmail() });
    fault({ route: 'create_sub_organization', cut: 'after' });
    await endOf(verify());
    fault({ route: 'list_verified_suborgs', status: 200, body: { organizationIds: [] } });
    expect(await verify(aCall({ kept: call.kept }))).toMatchObject({ type: 'session-key' });
    expect(new Set(doors.http.bodies('create_sub_organization')).size).toBe(1);
    expect(effects('create_sub_organization')).toHaveLength(1);
  });

  it('refuses a token or a session that belongs to another contact or key', async () => {
    const answering = (route: string, result: Record<string, Record<string, string>>) => {
      const activity = { id: 'a', organizationId: 'o', status: 'ACTIVITY_STATUS_COMPLETED', result };
      fault({ route, status: 200, body: { activity } });
    };
    const { subject, contact } = known();
    await (await toVerify({ subject })).verify();
    const { verificationToken } = (
      JSON.parse(doors.http.bodies('otp_login')[0]!) as { parameters: { verificationToken: string } }
    ).parameters;
    const otherKey = await toVerify({ subject });
    answering('verify_otp', { verifyOtpResult: { verificationToken } });
    expect(await endOf(otherKey.verify())).toMatchObject({
      failure: 'no_answer',
      message: expect.stringMatching(/another key/),
    });

    const client = doors.turnkey({ custody: 'client' });
    const sent = await client.initOtp(aCall(), byEmail(), {});
    answering('verify_otp', { verifyOtpResult: { verificationToken } });
    const proof: OtpProof = { type: 'encrypted-code', encryptedOtpBundle: '{}' };
    const named = { ...byEmail(), organizationId: randomUUID(), userId: randomUUID() };
    const otherContact = client.verifyOtp(aCall(), named, sent, proof);
    expect(await endOf(otherContact)).toMatchObject({
      failure: 'no_answer',
      message: expect.stringMatching(/another contact/),
    });

    const session = await sessionOf(contact);
    const otherSession = await toVerify({ subject });
    answering('otp_login', { otpLoginResult: { session } });
    expect(await endOf(otherSession.verify())).toMatchObject({
      failure: 'no_answer',
      message: expect.stringMatching(/a session of another key/),
    });
  });

  async function sessionOf(contact: string): Promise<string> {
    doors.http.sent.length = 0;
    await (await toVerify({ subject: byEmail(contact) })).verify();
    const login = doors.http.sent.find(({ pathAndQuery }) => pathAndQuery.endsWith('/otp_login'))!;
    const answer = await doors.http.send(aCall(), login);
    const { activity } = JSON.parse(answer.text) as {
      activity: { result: { otpLoginResult: { session: string } } };
    };
    return activity.result.otpLoginResult.session;
  }

  it('never reports not_sent once the code has been sent', async () => {
    let requests = 0;
    const beforeSend = () => {
      if (++requests > 1) throw new Error('too old');
    };
    const { verify } = await toVerify();
    expect(await endOf(verify(aCall({ beforeSend })))).toMatchObject({
      failure: 'unavailable',
      evidence: { bytesSent: true },
    });

    const another = await toVerify();
    fault({ route: 'otp_login', status: 429, retryAfterS: 3 });
    expect(await endOf(another.verify())).toMatchObject({ failure: 'unavailable', retryAfterMs: 3_000 });
  });

  it('sends nothing if the request could not be stored', async () => {
    const { verify } = await toVerify();
    const kept: Call['kept'] = () => Promise.reject(new Error('the row is gone'));
    await expect(verify(aCall({ kept }))).rejects.toThrow('the row is gone');
    expect(doors.http.bodies('verify_otp')).toEqual([]);
  });

  it('refuses a contact that several sub-organizations have, and a contact of another user', async () => {
    const contact = newEmail();
    const [one] = [known(contact), known(contact)];
    const { verify } = await toVerify({ subject: byEmail(contact) });
    expect(await endOf(verify())).toMatchObject({ failure: 'rejected', reason: 'subject_ambiguous' });
    expect(doors.http.bodies('otp_login')).toEqual([]);

    const other = { ...byEmail(contact), organizationId: one!.organizationId, userId: randomUUID() };
    const { verify: verifyOther } = await toVerify({ subject: other });
    expect(await endOf(verifyOther())).toMatchObject({ failure: 'rejected', reason: 'subject_not_found' });
  });

  it.each([
    ['signerPublicKey', 'SIGNER_PUBLIC_KEY'],
    ['notarizerPublicKey', 'NOTARIZER_PUBLIC_KEY'],
  ] as const)('with a wrong %s is rejected, and the error names the setting', async (name, variable) => {
    const at = doors.turnkey({ [name]: new Device().publicKey });
    const whole = async () => (await toVerify({ at })).verify();
    const end = await endOf(whole());
    // A parked onboarding would be retried after each successful probe, each time with another mail.
    expect(end).toMatchObject({ failure: 'rejected', message: expect.stringContaining(` ${variable} `) });
    expect(end).toHaveProperty('reason', name === 'signerPublicKey' ? undefined : 'login_refused');
  });

  it.each(['list_verified_suborgs', 'otp_login'])(
    'ends with reason login_refused if %s is refused after a correct code',
    async (route) => {
      const contact = newEmail();
      known(contact);
      const { verify } = await toVerify({ subject: byEmail(contact) });
      doors.sandbox.control.addFault({
        route: route === 'otp_login' ? `/public/v1/submit/${route}` : route,
        status: 400,
      });
      expect(await endOf(verify())).toMatchObject({ failure: 'rejected', reason: 'login_refused' });
    },
  );

  it('creates no sub-organization for a subject that names its user', async () => {
    const { verify } = await toVerify({ subject: { ...byEmail(newEmail()), userId: randomUUID() } });
    expect(await endOf(verify())).toMatchObject({ failure: 'rejected', reason: 'subject_not_found' });
    expect(doors.http.bodies('create_sub_organization')).toEqual([]);
  });

  it('refuses a subject without ids if the device holds the key, before it uses the code', async () => {
    const client = doors.turnkey({ custody: 'client' });
    const encrypted = { type: 'encrypted-code', encryptedOtpBundle: '{}' } as const;
    const sent = { handle: 'otp-1', targetBundle: '{}' };
    const end = await endOf(client.verifyOtp(aCall(), byEmail(newEmail()), sent, encrypted));
    expect(end).toMatchObject({
      failure: 'rejected',
      reason: 'subject_not_found',
      evidence: { bytesSent: false },
    });
    expect(doors.http.bodies('verify_otp')).toEqual([]);
  });

  it('is not reached if our key belongs to another organization: init-otp ends misconfigured', async () => {
    const at = doors.turnkey({ organizationId: randomUUID() });
    expect(await endOf(at.initOtp(aCall(), byEmail(), {}))).toMatchObject({ failure: 'misconfigured' });
  });
});

describe('a call whose timestamp Turnkey refuses', () => {
  it('ends misconfigured if our clock is wrong by more than an hour', async () => {
    for (const ahead of [-70, 70]) {
      const at = doors.turnkey({}, { ...systemClock, nowMs: () => Date.now() + ahead * 60_000 });
      expect(await endOf(at.initOtp(aCall(), known().subject, {}))).toMatchObject({
        failure: 'misconfigured',
      });
    }
  });

  it('ends in no_answer if it is a repeat after an hour and our clock is right', async () => {
    let nowMs = Date.now();
    const at = doors.turnkey({}, { ...systemClock, nowMs: () => nowMs });
    const call = aCall();
    const { subject } = known();
    fault({ route: 'init_otp', status: 503 });
    await endOf(at.initOtp(call, subject, {}));
    nowMs += 61 * 60_000;
    doors.sandbox.control.advanceClock(61 * 60_000);
    expect(await endOf(at.initOtp(call, subject, {}))).toMatchObject({ failure: 'no_answer' });
  });
});

describe('the step create-authenticators at Turnkey', () => {
  it('finds the passkeys by their credential ids after a lost answer', async () => {
    const { create, grant } = await toCreate();
    fault({ route: 'create_authenticators', cut: 'after' });
    const ids = await create();
    expect(ids).toEqual(
      doors.sandbox.control.authenticators(grant.userId).map(({ authenticatorId }) => authenticatorId),
    );
    expect(ids).toHaveLength(1);
  });

  it('does not count as done if only some of the passkeys are registered', async () => {
    const { subject, grant, authenticator, create } = await toCreate();
    await create();
    fault({ route: 'create_authenticators', cut: 'before' });
    const both = [authenticator, aPasskey().authenticator];
    const end = await endOf(provider.createAuthenticators(aCall(), subject, grant, both));
    expect(end).toMatchObject({ failure: 'no_answer' });
  });

  it('looks for the passkeys if the session expired before a repeat', async () => {
    const { create, grant } = await toCreate();
    const { kept } = aCall();
    fault({ route: 'create_authenticators', cut: 'after' });
    fault({ route: 'get_authenticators', status: 503, times: 2 });
    expect(await endOf(create(aCall({ kept })))).toMatchObject({ failure: 'no_answer' });
    doors.sandbox.control.advanceClock(20 * 60_000, true);
    // The session has ended. It is unknown whether the first try succeeded before that.
    expect(await endOf(create(aCall({ kept })))).toMatchObject({ failure: 'no_answer' });
    expect(await create(aCall({ kept }))).toEqual(
      doors.sandbox.control.authenticators(grant.userId).map(({ authenticatorId }) => authenticatorId),
    );
  });

  const refusal = (turnkeyErrorCode: string | null) => ({
    message: 'unknown words',
    details: turnkeyErrorCode === null ? [] : [{ turnkeyErrorCode }],
  });
  it.each([
    [403, null, undefined],
    [403, 'REQUEST_NOT_AUTHORIZED', undefined],
    [400, 'REQUEST_NOT_AUTHORIZED', undefined],
    [401, null, 'session_expired'],
    [401, 'PUBLIC_KEY_NOT_FOUND', 'session_expired'],
    [404, 'PUBLIC_KEY_NOT_FOUND', 'session_expired'],
    [400, 'API_KEY_EXPIRED', 'session_expired'],
    [401, 'SIGNATURE_INVALID', 'session_expired'],
  ])(
    'if a request under the session’s key is refused with status %s and code %s, the step has the reason %s',
    async (status, code, reason) => {
      const { create } = await toCreate();
      fault({ route: 'create_authenticators', status, body: refusal(code) });
      const end = await endOf(create());
      expect(end).toMatchObject({ failure: 'rejected' });
      expect(end).toHaveProperty('reason', reason);
    },
  );

  it.each([
    [403, null, 'misconfigured'],
    [403, 'REQUEST_NOT_AUTHORIZED', 'misconfigured'],
    [404, 'PUBLIC_KEY_NOT_FOUND', 'misconfigured'],
    [401, 'API_KEY_EXPIRED', 'misconfigured'],
    [401, 'SIGNATURE_INVALID', 'misconfigured'],
    [400, 'SIGNATURE_INVALID', 'rejected_unclear'],
  ])(
    'if a request under our own key is refused with status %s and code %s, the step ends with %s',
    async (status, code, failure) => {
      fault({ route: 'init_otp', status, body: refusal(code) });
      const end = await endOf(provider.initOtp(aCall(), known().subject, {}));
      expect(end).toMatchObject({ failure });
    },
  );

  it('looks for the passkeys if a policy forbids the repeat', async () => {
    const { create, grant } = await toCreate();
    const { kept } = aCall();
    fault({ route: 'create_authenticators', cut: 'after' });
    fault({ route: 'create_authenticators', status: 403, times: 2 });
    fault({ route: 'get_authenticators', status: 503, times: 2 });
    expect(await endOf(create(aCall({ kept })))).toMatchObject({ failure: 'no_answer' });
    expect(await endOf(create(aCall({ kept })))).toMatchObject({ failure: 'no_answer' });
    expect(await create(aCall({ kept }))).toEqual(
      doors.sandbox.control.authenticators(grant.userId).map(({ authenticatorId }) => authenticatorId),
    );
  });

  it('is rejected if it has registered nothing and its session has expired', async () => {
    const { create } = await toCreate();
    const { kept } = aCall();
    fault({ route: 'create_authenticators', cut: 'before' });
    expect(await endOf(create(aCall({ kept })))).toMatchObject({ failure: 'no_answer' });
    doors.sandbox.control.advanceClock(20 * 60_000, true);
    expect(await endOf(create(aCall({ kept })))).toMatchObject({
      failure: 'rejected',
      reason: 'session_expired',
    });
  });

  it('leaves out a transport for which Turnkey has no name', async () => {
    const { subject, grant, authenticator } = await toCreate();
    const strange = { ...authenticator, transports: ['unknown', 'usb'] as const };
    await provider.createAuthenticators(aCall(), subject, grant, [
      { ...strange, transports: [...strange.transports] },
    ]);
    expect(doors.sandbox.control.authenticators(grant.userId)[0]!.transports).toEqual([
      'AUTHENTICATOR_TRANSPORT_USB',
    ]);
  });

  it('returns no ids if the answer does not contain one id per passkey', async () => {
    const { create } = await toCreate();
    fault({ route: 'create_authenticators', status: 200, body: created(['a', 'b']) });
    expect(await create()).toBeNull();
  });

  it('looks for the passkeys after an answer without ids, and if none exist, ends in no_answer', async () => {
    const { create } = await toCreate();
    fault({ route: 'create_authenticators', status: 200, body: created([]) });
    expect(await endOf(create())).toMatchObject({ failure: 'no_answer' });
    fault({ route: 'create_authenticators', status: 200, body: created([]), afterEffect: true });
    expect(await create()).toHaveLength(1);
  });
});

describe('the client for Turnkey, if the user’s device holds the session’s key,', () => {
  const client = () => doors.turnkey({ custody: 'client' });
  const opened = async (at = client()) => {
    const device = new Device();
    const { organizationId, userId, subject: base } = known();
    const { subject } = at.parseSubject({ ...base, organizationId, userId });
    const sent = await at.initOtp(aCall(), subject, {});
    const proof = await device.encrypt(sent, doors.codeOf(sent), doors.sandbox.turnkey.signerPublicKey);
    const grant = (await at.verifyOtp(aCall(), subject, sent, proof)) as Grant & { type: 'device-key' };
    return { at, device, subject, organizationId, userId, grant, who: { subject, device } };
  };

  it('returns a token that is bound to the device’s key, and its expiry', async () => {
    const { device, grant, organizationId, userId } = await opened();
    expect(grant).toMatchObject({ type: 'device-key', organizationId, userId, publicKey: device.publicKey });
    const { id } = JSON.parse(
      Buffer.from(grant.verificationToken.reveal().split('.')[1]!, 'base64url').toString(),
    ) as { id: string };
    expect(grant.loginMessage).toBe(
      `{"login":{"publicKey":"${device.publicKey}"},"tokenId":"${id}","type":"USAGE_TYPE_LOGIN"}`,
    );
    expect(Math.abs(grant.expiresAt.getTime() - Date.now() - 3_600_000)).toBeLessThan(30_000);
    expect(doors.http.bodies('otp_login')).toEqual([]);
  });

  it('forwards the device’s body byte for byte, under the device’s stamp', async () => {
    const { at, subject, grant, who } = await opened();
    const passkey = aPasskey();
    const device = (await deviceRequest(who, grant, [passkey]))!;
    await at.createAuthenticators(aCall(), subject, grant, [passkey.authenticator], device);
    const request = doors.http.sent.find(({ pathAndQuery }) =>
      pathAndQuery.endsWith('/create_authenticators'),
    );
    expect(request!.body).toBe(device.body);
    expect(request!.headers['X-Stamp']).toBe(device.stamp);
  });

  it('ignores a lost answer to the login if the passkeys are accepted', async () => {
    const { at, subject, grant, who } = await opened();
    const passkey = aPasskey();
    const device = await deviceRequest(who, grant, [passkey]);
    fault({ route: 'otp_login', cut: 'after' });
    expect(
      await at.createAuthenticators(aCall(), subject, grant, [passkey.authenticator], device),
    ).toHaveLength(1);
  });

  it('reports the failure of a login that did not arrive, and repeats the login', async () => {
    const { at, subject, grant, who } = await opened();
    const passkey = aPasskey();
    const device = await deviceRequest(who, grant, [passkey]);
    const { kept } = aCall();
    const create = () =>
      at.createAuthenticators(aCall({ kept }), subject, grant, [passkey.authenticator], device);
    fault({ route: 'otp_login', status: 503 });
    expect(await endOf(create())).toMatchObject({ failure: 'unavailable', evidence: { status: 503 } });
    expect(await create()).toHaveLength(1);
    expect(new Set(doors.http.bodies('otp_login')).size).toBe(1);
  });

  it('looks up the registered passkeys if the session has expired before a retry', async () => {
    let laterMs = 0;
    const clock = { ...systemClock, nowMs: () => Date.now() + laterMs };
    const { at, subject, userId, grant, who } = await opened(doors.turnkey({ custody: 'client' }, clock));
    const passkey = aPasskey();
    const device = await deviceRequest(who, grant, [passkey]);
    const { kept } = aCall();
    const create = () =>
      at.createAuthenticators(aCall({ kept }), subject, grant, [passkey.authenticator], device);
    fault({ route: 'create_authenticators', cut: 'after' });
    fault({ route: 'get_authenticators', status: 503, times: 2 });
    expect(await endOf(create())).toMatchObject({ failure: 'no_answer' });
    laterMs = 20 * 60_000;
    doors.sandbox.control.advanceClock(laterMs, true);
    expect(await endOf(create())).toMatchObject({ failure: 'no_answer' });
    expect(await create()).toEqual(
      doors.sandbox.control.authenticators(userId).map(({ authenticatorId }) => authenticatorId),
    );
  });

  it('reports an expired code if the code was sent without a key to encrypt it', async () => {
    const { at, subject } = await opened();
    const sent = { handle: randomUUID() };
    const end = at.verifyOtp(aCall(), subject, sent, { type: 'encrypted-code', encryptedOtpBundle: '{}' });
    expect(await endOf(end)).toMatchObject({
      failure: 'rejected',
      reason: 'otp_expired',
      evidence: { bytesSent: false },
    });
  });
});

const created = (authenticatorIds: string[]) => ({
  activity: {
    id: 'a',
    organizationId: 'o',
    status: 'ACTIVITY_STATUS_COMPLETED',
    result: { createAuthenticatorsResult: { authenticatorIds } },
  },
});

describe('a refusal by Turnkey because the subject’s organization does not know our key', () => {
  const refusal = {
    status: 401,
    body: {
      code: 16,
      message: 'could not find public key in organization or its parent organization',
      details: [{ turnkeyErrorCode: 'PUBLIC_KEY_NOT_FOUND' }],
    },
  };

  it('concerns the subject if our own organization knows our key', async () => {
    const { verify } = await toVerify();
    fault({ route: 'otp_login', ...refusal });
    expect(await endOf(verify())).toMatchObject({ failure: 'rejected', reason: 'subject_not_found' });
  });

  it('counts as misconfigured if our own organization does not know our key either', async () => {
    const { verify } = await toVerify();
    fault({ route: 'otp_login', ...refusal });
    fault({ route: 'whoami', ...refusal });
    expect(await endOf(verify())).toMatchObject({ failure: 'misconfigured' });
  });
});
