import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '#libs/testing';
import { gangway } from '../../support/command-line.js';
import { ConsoleBrowser, tokenOf } from '../../support/console-browser.js';
import { metricsAt } from '../../support/health.js';
import { Story, type Subject } from '../../support/story.js';
import { Person, throughDoor } from '../../support/turnkey-door.js';

interface Refusal {
  id: string;
  integration: string;
  step: string;
  status: number;
  count: number;
  refusal: string;
  onboardingId: string | null;
}

let story: Story;
beforeAll(async () => {
  story = await Story.begin({
    console: true,
    env: (sandbox) => ({
      ...throughDoor('turnkey')(sandbox),
      ...bothIntegrations(sandbox.url, sandbox.credential!.privateKeyHex),
    }),
  });
});
afterAll(() => story.end());

const bothIntegrations = (url: string, key: string) => ({
  INTEGRATIONS: 'byzantine,turnkey',
  INTEGRATION_BYZANTINE_BASE_URL: url,
  INTEGRATION_BYZANTINE_PRIVATE_KEY: key,
});

async function listed(): Promise<Refusal[]> {
  const { out } = await gangway(story, 'refusals', 'list', '--json');
  return (JSON.parse(out) as { items: Refusal[] }).items;
}

async function seen(words: string, count = 1): Promise<Refusal> {
  let found: Refusal | undefined;
  await until(`${words} is listed`, async () => {
    found = (await listed()).find((each) => each.refusal.includes(words));
    return (found?.count ?? 0) >= count;
  });
  return found!;
}

const strike = ({ userId }: Subject, route: string, status: number, error: string) =>
  story.sandbox.control.addFault({ route, match: { userId }, status, body: { error, status } });

const startByzantine = ({ accountId, userId }: Subject) =>
  story.call('POST', '/v1/onboardings', { integration: 'byzantine', subject: { accountId, userId } });

describe('the list of unknown refusals', () => {
  it('shows each text without personal data, with its count and the latest onboarding’s id', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 2; n++) {
      const subject = story.newSubject();
      const { body } = await startByzantine(subject);
      ids.push(body.id);
      const code = story.code(subject);
      const text = `the moon refuses ${code} of ana@example.com (${subject.userId}) 0x${'ab'.repeat(20)}`;
      strike(subject, 'otp-auth', 400, text);
      expect((await story.verify(body.id, code)).body.code).toBe('upstream_rejected');
    }
    expect(await seen('moon', 2)).toEqual({
      id: expect.any(String),
      integration: 'byzantine',
      step: 'verify-otp',
      status: 400,
      count: 2,
      refusal: 'the moon refuses <sent> of <email> (<sent>) <id>',
      onboardingId: ids[1],
      firstSeenAt: expect.any(String),
      lastSeenAt: expect.any(String),
    });
    const name = 'gangway_unknown_refusals_total{integration="byzantine",step="verify-otp"} ';
    expect(await metricsAt(story.serviceUrl, name)).toEqual([`${name}2`]);
  });

  it('leaves out texts that Gangway knows, empty texts and the texts of a 503', async () => {
    for (const [status, error] of [
      [400, 'Invalid OTP code'],
      [400, ''],
      [503, 'the house is on fire'],
    ] as const) {
      const subject = story.newSubject();
      const { body } = await startByzantine(subject);
      strike(subject, 'otp-auth', status, error);
      await story.verify(body.id, story.code(subject));
    }
    const marked = story.newSubject();
    strike(marked, 'init-otp', 409, 'a mark after them');
    await startByzantine(marked);
    await seen('a mark after them');
    expect((await listed()).map(({ refusal }) => refusal).join()).not.toMatch(/invalid otp|fire/i);
  });

  it('shows Turnkey’s error code and error text, without the user’s email address', async () => {
    const person = new Person(story);
    story.sandbox.control.addFault({
      route: 'init_otp',
      status: 400,
      body: {
        code: 3,
        message: `${person.email} is asleep`,
        details: [{ turnkeyErrorCode: 'USER_IS_ASLEEP' }],
      },
    });
    await person.start({ integration: 'turnkey' });
    expect(await seen('asleep')).toMatchObject({
      integration: 'turnkey',
      step: 'init-otp',
      status: 400,
      refusal: 'USER_IS_ASLEEP: <sent> is asleep',
    });
  });
});

describe('the page of unknown refusals', () => {
  it('is linked from the console’s page Now, and may be read by viewers', async () => {
    const viewer = await ConsoleBrowser.as('viewer', story);
    const now = await viewer.visit('/');
    expect(now.text).toMatch(/<a href="\/refusals\?integration=byzantine">\d+<\/a>/);
    const { text } = await viewer.visit('/refusals?integration=byzantine');
    expect(text).toContain('the moon refuses');
    expect(text).not.toContain('asleep');
    expect(text).not.toContain('>Forget<');
  });

  it('lets only admins delete a text, and this is audited', async () => {
    const { id } = await seen('moon');
    for (const role of ['viewer', 'operator'] as const) {
      const browser = await ConsoleBrowser.as(role, story);
      const token = tokenOf(await browser.visit('/refusals'));
      expect((await browser.post('/refusals', { id, token })).status).toBe(403);
    }
    const admin = await ConsoleBrowser.as('admin', story);
    const token = tokenOf(await admin.visit('/refusals'));
    expect((await admin.post('/refusals', { id, token: 'wrong' })).status).toBe(403);
    await seen('moon');
    expect((await admin.post('/refusals', { id, token })).status).toBe(303);
    expect((await admin.visit('/refusals')).text).not.toContain('moon');
    await until('it is audited', async () =>
      (await gangway(story, 'audit', 'list')).out.includes('console: forget refusal'),
    );
  });
});

it('the command line deletes one unknown refusal text, or all of an integration', async () => {
  const { id } = await seen('asleep');
  expect((await gangway(story, 'refusals', 'forget', id)).out).toBe('Forgotten: 1.');
  expect((await gangway(story, 'refusals', 'forget', id)).out).toBe('There is no such text.');
  expect((await gangway(story, 'refusals', 'forget', 'all')).code).toBe(2);
  expect((await gangway(story, 'refusals', 'forget', 'all', '--integration', 'byzantine')).code).toBe(0);
  expect((await gangway(story, 'refusals', 'list')).out).toBe('All refusals are known.');
  expect((await gangway(story, 'audit', 'list')).out).toContain('unknown_refusals_forgotten');
});
