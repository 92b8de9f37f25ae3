import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Story } from '../../support/story.js';
import { StepUnderTest } from '../../support/step-under-test.js';
import { Person, throughDoor } from '../../support/turnkey-door.js';

/** Successful answers with a value that is too large, or that PostgreSQL cannot store. */
const ANSWERS: [string, (id: string) => string][] = [
  [
    'U+0000',
    (id) =>
      JSON.stringify({ otpId: `${id}\u0000`, sessionId: `${id}\u0000`, authenticatorIds: [`${id}\u0000`] }),
  ],
  ['half a surrogate pair', () => '{"otpId":"\\ud800","sessionId":"\\ud800","authenticatorIds":["\\ud800"]}'],
  [
    'a very long id',
    () => JSON.stringify({ otpId: 'x'.repeat(100_000), authenticatorIds: ['x'.repeat(100_000)] }),
  ],
  ['deep nesting', () => `{"a":${'['.repeat(50_000)}${']'.repeat(50_000)}}`],
];

describe('at Byzantine, an answer that cannot be stored counts as a lost answer', () => {
  let story: Story;
  beforeAll(async () => {
    story = await Story.begin();
  });
  afterAll(() => story.end());

  it.each(ANSWERS)('init-otp: tries again after %s', async (_, body) => {
    const at = await StepUnderTest.before(story, 'init-otp');
    await at.strike({ status: 200, body: body('otp'), contentType: 'application/json' }).submit();
    await at.until('otp_sent');
    expect(await at.attempts()).toEqual(['no_answer', 'ok']);
  });

  it.each(ANSWERS)('verify-otp: has an unknown outcome after %s', async (_, body) => {
    const at = await StepUnderTest.before(story, 'verify-otp');
    await at.strike({ status: 200, body: body('session'), contentType: 'application/json' }).submit();
    await at.until('outcome_unknown');
    expect(await at.attempts()).toEqual(['no_answer']);
  });

  it.each(ANSWERS)('create-authenticators: repeats the call once after %s', async (_, body) => {
    const at = await StepUnderTest.before(story, 'create-authenticators');
    await at.strike({ status: 200, body: body('passkey'), contentType: 'application/json' }).submit();
    await at.until('completed');
    expect(await at.attempts()).toEqual(['no_answer', 'ok']);
  });

  it('except for a refusal, which may have any text', async () => {
    const at = await StepUnderTest.before(story, 'verify-otp');
    await at
      .strike({ status: 400, body: '{"error":"\\u0000\\ud800"}', contentType: 'application/json' })
      .submit();
    await at.until('otp_sent');
    expect(await at.attempts()).toEqual(['rejected_unclear']);
  });
});

describe('at Turnkey, an answer that cannot be stored', () => {
  let story: Story;
  beforeAll(async () => {
    story = await Story.begin({ env: throughDoor('turnkey') });
  });
  afterAll(() => story.end());

  const activityOf = (result: string) =>
    '{"activity":{"id":"a","organizationId":"o","status":"ACTIVITY_STATUS_COMPLETED","result":' +
    result +
    '}}';

  it('is requested again with the same bytes, and an unusable error code is ignored', async () => {
    const { control } = story.sandbox;
    const person = new Person(story);
    control.addFault({
      route: 'init_otp',
      status: 200,
      body: activityOf('{"initOtpResultV2":{"otpId":"x\\u0000","otpEncryptionTargetBundle":"\\ud800"}}'),
      contentType: 'application/json',
      afterEffect: true,
    });
    const { body } = await person.start();
    await story.until(body.id, 'otp_sent');
    expect(control.mails({ email: person.email })).toHaveLength(1);

    control.addFault({
      route: 'verify_otp',
      status: 400,
      body: '{"code":3,"message":"\\u0000","details":[{"turnkeyErrorCode":"\\u0000\\ud800"}]}',
      contentType: 'application/json',
    });
    const refused = await story.verify(body.id, person.code());
    expect(refused.status).toBe(422);
    expect((await story.get(body.id)).body.state).toBe('otp_sent');
    expect((await story.verify(body.id, person.code())).body.state).toBe('otp_verified');
  });
});
