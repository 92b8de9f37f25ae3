import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { KmsStandIn } from '#libs/testing';
import { readyAt } from '../../support/health.js';
import { Story } from '../../support/story.js';
import { STEPS, StepUnderTest, DONE_STATE } from '../../support/step-under-test.js';
import { Person, throughDoor } from '../../support/turnkey-door.js';

let kms: KmsStandIn;
let key: { arn: string; publicKeyHex: string };
const before = { ...process.env };

beforeAll(async () => {
  Object.assign(process.env, KmsStandIn.credentials);
  kms = await KmsStandIn.listen();
  key = kms.createKey();
});
afterEach(() => kms.mend());
afterAll(async () => {
  await kms.close();
  process.env = before;
});

const settingsForKeyAtKms = (name: string): Record<string, string> => ({
  [`INTEGRATION_${name}_PRIVATE_KEY`]: '',
  [`INTEGRATION_${name}_KMS_KEY_ID`]: key.arn,
  [`INTEGRATION_${name}_KMS_REGION`]: KmsStandIn.region,
  [`INTEGRATION_${name}_KMS_ENDPOINT`]: kms.url,
});

describe('the service, with its key for Byzantine at KMS', () => {
  let story: Story;
  beforeAll(async () => {
    story = await Story.begin({
      sandbox: { pubkeys: [`0x${key.publicKeyHex}`] },
      env: { ...settingsForKeyAtKms('BYZANTINE'), PROBE_EVERY_MS: '100', SWEEP_EVERY_MS: '100' },
    });
  });
  afterAll(() => story.end());

  it('completes an onboarding, with each request signed at KMS', async () => {
    kms.calls.length = 0;
    const { id } = await story.verified();
    const { body } = await story.register(id, [await story.passkey(id)]);
    expect(body.state).toBe('completed');
    expect(kms.callsOf('Sign')).toHaveLength(3);
  });

  it.each(STEPS)('waits while the signer is down, and sends nothing meanwhile: %s', async (step) => {
    const at = await StepUnderTest.before(story, step);
    kms.meet({ error: 'KMSInternalException', status: 500 });
    const { status, body } = await at.submit({ headers: { prefer: 'wait=1' } });
    expect(status).toBe(202);
    expect(body.parked).toBeNull();
    expect(at.calls).toBe(0);
    const health = await readyAt(story.serviceUrl);
    expect(health.body.checks['upstream byzantine']).toMatchObject({
      status: 'down',
      detail: expect.stringContaining('AWS KMS'),
    });
    kms.mend();
    await at.until(DONE_STATE[step]);
    expect(at.calls).toBe(1);
    const attempts = await at.attempts();
    expect(attempts.at(-1)).toBe('ok');
    expect(new Set(attempts.slice(0, -1))).toEqual(new Set(['not_sent']));
  });

  it('does not send a corrupted signature', async () => {
    const at = await StepUnderTest.before(story, 'init-otp');
    kms.meet('corrupted', 1);
    await at.submit();
    await at.until('otp_sent');
    expect(at.calls).toBe(1);
    expect(await at.attempts()).toEqual(['not_sent', 'ok']);
  });

  it('parks the onboarding while the key is disabled', async () => {
    const at = await StepUnderTest.before(story, 'verify-otp');
    kms.meet({ error: 'DisabledException', status: 400 });
    const { status, body } = await at.submit();
    expect(status).toBe(202);
    expect(body.parked).toMatchObject({ reason: 'upstream_misconfigured' });
    expect(at.calls).toBe(0);
    kms.mend();
    await at.until('otp_verified');
    expect(at.calls).toBe(1);
  });

  it('does not start if it cannot access the key, and names the variable in the error', async () => {
    kms.meet({ error: 'AccessDeniedException', status: 400 });
    await expect(story.startService()).rejects.toThrow('INTEGRATION_BYZANTINE_KMS_KEY_ID');
  });
});

describe('the service, with its key for Turnkey at KMS', () => {
  let story: Story;
  beforeAll(async () => {
    story = await Story.begin({
      sandbox: { turnkey: { apiPublicKeys: [key.publicKeyHex] } },
      env: (sandbox) => ({ ...throughDoor('turnkey')(sandbox), ...settingsForKeyAtKms('TURNKEY') }),
    });
  });
  afterAll(() => story.end());

  it('completes an onboarding, and signs with the session’s own key after the login', async () => {
    kms.calls.length = 0;
    const person = new Person(story);
    const { body: started } = await person.start();
    expect(started.state).toBe('otp_sent');
    expect((await story.verify(started.id, person.code())).body.state).toBe('otp_verified');
    const byParent = kms.callsOf('Sign').length;
    expect(byParent).toBeGreaterThanOrEqual(3);
    const { body } = await story.register(started.id, [await story.passkey(started.id)]);
    expect(body.state).toBe('completed');
    expect(kms.callsOf('Sign')).toHaveLength(byParent);
  });
});
