import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { post } from '../../test/turnkey-caller.js';
import { activityOf, turnkeyPasskey, turnkeyUnderTest } from '../../test/turnkey-under-test.js';
import type { TurnkeyUnderTest } from '../../test/turnkey-under-test.js';

const RATE_LIMITED =
  'this organization cannot execute activities because it has been rate limited. ' +
  'Please reach out to the Turnkey team (help@turnkey.com) for more information.';

let t: TurnkeyUnderTest;
beforeAll(async () => {
  t = await turnkeyUnderTest();
});
afterEach(() => t.sandbox.control.reset());
afterAll(() => t.sandbox.close());

const request = (contact: string) =>
  t.parent.activity('INIT_OTP_V3', { otpType: 'OTP_TYPE_EMAIL', contact, appName: 'Acme' });
const send = (body: string) => t.parent.send('submit/init_otp', body);
const poll = async (activityId: string) =>
  activityOf((await t.parent.query('get_activity', { activityId })).body);
const mailsTo = (contact: string) => t.sandbox.control.mails({ contact }).length;

describe('a fault of the emulated Turnkey', () => {
  it('answers in Turnkey’s error format, without a Retry-After header', async () => {
    const contact = t.newContact();
    t.sandbox.control.addFault({ route: 'init_otp', status: 429 });
    const limited = await send(request(contact));
    expect(limited).toMatchObject({
      status: 429,
      body: { code: 8, message: RATE_LIMITED, details: [{ turnkeyErrorCode: 'RATE_LIMIT_EXCEEDED' }] },
    });
    expect(limited.headers.get('retry-after')).toBeNull();
    t.sandbox.control.addFault({ route: 'init_otp', status: 502, body: '<html>', contentType: 'text/html' });
    expect(await send(request(contact))).toMatchObject({ status: 502, type: 'text/html', body: '<html>' });
    expect(mailsTo(contact)).toBe(0);
  });

  it('lets a repeated request get the true answer, if the fault came after the effect', async () => {
    const contact = t.newContact();
    const body = request(contact);
    t.sandbox.control.addFault({ route: 'init_otp', status: 500, afterEffect: true });
    expect(await send(body)).toMatchObject({ status: 500, body: { code: 13 } });
    t.sandbox.control.addFault({ route: 'init_otp', cut: 'after' });
    await expect(send(body)).rejects.toThrow('fetch failed');
    expect(await send(body)).toMatchObject({ status: 200 });
    expect(mailsTo(contact)).toBe(1);
  });

  it('leads to a second mail when a request to the Auth Proxy is repeated', async () => {
    const contact = t.newContact();
    const { authProxyConfigId } = t.sandbox.turnkey;
    const init = () =>
      post(`${t.sandbox.url}/v1/otp_init_v2`, JSON.stringify({ otpType: 'OTP_TYPE_EMAIL', contact }), {
        'x-auth-proxy-config-id': authProxyConfigId,
      });
    t.sandbox.control.addFault({ route: 'otp_init_v2', cut: 'after' });
    await expect(init()).rejects.toThrow('fetch failed');
    expect(await init()).toMatchObject({ status: 200 });
    expect(mailsTo(contact)).toBe(2);
  });

  it('can be limited to an organization, a contact or a full path', async () => {
    const [mine, other] = [t.newContact(), t.newContact()];
    t.sandbox.control.addFault({ route: 'init_otp', status: 503, match: { contact: mine.toUpperCase() } });
    expect(await send(request(other))).toMatchObject({ status: 200 });
    expect(await send(request(mine))).toMatchObject({ status: 503 });
    t.sandbox.control.addFault({ route: '/public/v1/query/whoami', status: 503 });
    expect(await t.integrator.get('/v1/integrator/whoami')).toMatchObject({ status: 200 });
    expect(await t.parent.query('whoami')).toMatchObject({ status: 503 });
    const { organizationId } = t.parent;
    t.sandbox.control.addFault({ route: '*', status: 503, match: { organizationId } });
    expect(await t.integrator.get('/v1/integrator/whoami')).toMatchObject({ status: 200 });
    expect(await t.parent.query('whoami')).toMatchObject({ status: 503 });
  });
});

describe('a Turnkey activity that a fault changes', () => {
  it.each(['PENDING', 'ACTIVITY_STATUS_CREATED'])(
    'has the status %s for the given number of polls',
    async (status) => {
      const contact = t.newContact();
      const body = request(contact);
      const name = `ACTIVITY_STATUS_${status.replace('ACTIVITY_STATUS_', '')}`;
      t.sandbox.control.addFault({ route: 'init_otp', activity: { status, polls: 2 } });
      const { id, ...first } = activityOf((await send(body)).body);
      expect(first).toMatchObject({ status: name, result: {} });
      expect(activityOf((await send(body)).body).status).toBe(name);
      expect([(await poll(id)).status, (await poll(id)).status]).toEqual([name, name]);
      expect(await poll(id)).toMatchObject({
        status: 'ACTIVITY_STATUS_COMPLETED',
        result: { initOtpResultV2: {} },
      });
      expect(activityOf((await send(body)).body).status).toBe('ACTIVITY_STATUS_COMPLETED');
      expect(mailsTo(contact)).toBe(1);
    },
  );

  it('always has the status PENDING if the fault gives no number of polls', async () => {
    t.sandbox.control.addFault({ route: 'init_otp', activity: { status: 'PENDING' } });
    const { id } = activityOf((await send(request(t.newContact()))).body);
    for (let polls = 0; polls < 5; polls += 1)
      expect((await poll(id)).status).toBe('ACTIVITY_STATUS_PENDING');
  });

  it.each(['CONSENSUS_NEEDED', 'AUTHENTICATORS_NEEDED', 'FAILED', 'REJECTED'])(
    'ends with the status %s and without effect, at once or after the given number of polls',
    async (status) => {
      const contact = t.newContact();
      t.sandbox.control.addFault({ route: 'init_otp', activity: { status } });
      const answer = await send(request(contact));
      expect(answer).toMatchObject({
        status: 200,
        body: { activity: { status: `ACTIVITY_STATUS_${status}`, result: {} } },
      });
      expect('failure' in activityOf(answer.body)).toBe(status === 'FAILED');
      t.sandbox.control.addFault({ route: 'init_otp', activity: { status, polls: 1 } });
      const { id, status: first } = activityOf((await send(request(contact))).body);
      expect([first, (await poll(id)).status, (await poll(id)).status]).toEqual([
        'ACTIVITY_STATUS_PENDING',
        'ACTIVITY_STATUS_PENDING',
        `ACTIVITY_STATUS_${status}`,
      ]);
      expect(mailsTo(contact)).toBe(0);
    },
  );

  it('ends with the failure that the fault specifies', async () => {
    const failure = { status: 400, message: 'could not reach email', turnkeyErrorCode: 'INVALID_EMAIL' };
    t.sandbox.control.addFault({ route: 'init_otp', activity: { status: 'FAILED', failure } });
    expect((await send(request(t.newContact()))).body).toMatchObject({
      activity: {
        failure: { code: 3, message: failure.message, details: [{ turnkeyErrorCode: 'INVALID_EMAIL' }] },
      },
    });
  });

  it('can have its result one level deeper, in activity.result.activity.result', async () => {
    t.sandbox.control.addFault({ route: 'init_otp', activity: { nested: true } });
    expect((await send(request(t.newContact()))).body).toMatchObject({
      activity: { result: { activity: { result: { initOtpResultV2: { otpId: expect.any(String) } } } } },
    });
  });

  it.each([
    [{ route: 'init_otp', activity: {} }, 'activity'],
    [{ route: 'init_otp', activity: { status: 'DONE' } }, 'status'],
    [{ route: 'init_otp', activity: { polls: 0 } }, 'polls'],
    [{ route: 'whoami', activity: { status: 'PENDING' } }, 'activity'],
    [{ route: 'init_otp', status: 500, activity: { status: 'PENDING' } }, 'activity'],
    [{ route: 'init_otp', cut: 'before' as const, activity: { status: 'PENDING' } }, 'activity'],
    [{ route: 'init_otp', activity: { status: 'PENDING', failure: {} } }, 'failure'],
    [{ route: 'init_otp', status: 500, match: {} }, 'match'],
  ])('needs a valid fault; this one is refused: %j', (fault, field) => {
    expect(() => t.sandbox.control.addFault(fault)).toThrow(field);
  });
});

describe('the journal of the sandbox', () => {
  it('lists all requests of a user, without code, bundle, token or signature', async () => {
    const contact = t.newContact();
    const { subject, user, token, session } = await t.loggedIn({}, contact);
    const passkey = turnkeyPasskey();
    await user.submit('create_authenticators', 'CREATE_AUTHENTICATORS_V2', {
      userId: subject.userId,
      authenticators: [passkey],
    });
    await user.query('whoami');
    await t.loggedIn();
    const { organizationId } = t.parent;
    const story = t.sandbox.control.requests({ userId: subject.userId });
    expect(story).toMatchObject([
      { route: 'init_otp', organizationId, contact, accountId: null, effect: { type: 'otp_sent' } },
      { route: 'verify_otp', organizationId, contact, effect: { type: 'otp_verified' } },
      {
        route: 'otp_login',
        organizationId: subject.organizationId,
        contact,
        effect: { type: 'session_opened' },
      },
      { route: 'create_authenticators', contact: null, effect: { type: 'authenticators_created' } },
      { route: 'whoami', effect: null },
    ]);
    const { code = '' } = t.sandbox.control.mails({ contact })[0] ?? {};
    const text = JSON.stringify(story);
    for (const secret of [code, token, 'eyJ', 'encappedPublic', session.privateKeyHex])
      expect(text).not.toContain(secret);
    const { body } = await t.control('GET', `journal?organizationId=${subject.organizationId}`);
    expect(body).toHaveLength(3);
    expect((await t.control('GET', `journal?contact=${contact}&route=init_otp`)).body).toHaveLength(1);
  });
});

describe('/_sandbox/turnkey', () => {
  it('answers with the values that a client must configure, and with no secret', async () => {
    const { apiPrivateKeyHex, ...facts } = t.sandbox.turnkey;
    expect(apiPrivateKeyHex).toMatch(/^[0-9a-f]{64}$/);
    expect((await t.control('GET', 'turnkey')).body).toEqual(facts);
  });

  it('registers subjects with the given ids or new ones', async () => {
    const made = await t.control('POST', 'turnkey/subjects', { contact: '+33612345678' });
    expect(made).toEqual({
      status: 201,
      body: { organizationId: expect.any(String), userId: expect.any(String), contact: '+33612345678' },
    });
    const moved = { ...(made.body as object), contact: 'ana@example.com' };
    expect((await t.control('POST', 'turnkey/subjects', moved)).body).toEqual(moved);
    const owners = async (filterType: string, filterValue: string) =>
      (await t.parent.query('list_verified_suborgs', { filterType, filterValue })).body;
    expect(await owners('PHONE_NUMBER', '+33612345678')).toEqual({ organizationIds: [] });
    const { organizationId } = made.body as { organizationId: string };
    expect(await owners('EMAIL', 'ANA@example.com')).toEqual({ organizationIds: [organizationId] });
    expect(await t.control('POST', 'turnkey/subjects', { contact: 'ana' })).toMatchObject({ status: 400 });
  });

  it('has no subjects, activities or tokens after a reset, but still the parent organization', async () => {
    const { subject, user, order, token } = await t.loggedIn();
    const body = t.parent.activity('INIT_OTP_V3', {
      otpType: 'OTP_TYPE_EMAIL',
      contact: subject.contact,
      appName: 'A',
    });
    const before = await send(body);
    t.sandbox.control.reset();
    expect(await t.parent.query('whoami')).toMatchObject({ status: 200 });
    expect(await user.query('whoami')).toMatchObject({ status: 404 });
    const { id } = activityOf(before.body);
    expect(await t.parent.query('get_activity', { activityId: id })).toMatchObject({ status: 404 });
    t.sandbox.control.addTurnkeySubject(subject);
    const { organizationId } = subject;
    const again = await t.parent.submit(
      'otp_login',
      'OTP_LOGIN_V2',
      { ...order, verificationToken: token },
      { organizationId },
    );
    expect(again).toMatchObject({ status: 400, body: { message: 'invalid verification token' } });
    await send(body);
    expect(mailsTo(subject.contact)).toBe(1);
  });
});
