import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Sealer } from '#libs/platform';
import { Story } from '../../support/story.js';
import { Person, throughDoor } from '../../support/turnkey-door.js';

let story: Story;

describe('a refused request', () => {
  beforeAll(async () => {
    story = await Story.begin({
      worker: false,
      env: { DATABASE_POOL_SIZE: '1', OTP_SENDS_PER_WINDOW: '2', OTP_SENDS_PER_DAY: '2' },
    });
  });
  afterAll(() => story.end());

  /** @returns the ids of PostgreSQL's processes, one for each connection. */
  const backends = async () =>
    (
      await story.sql<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'gangway'`,
      )
    ).map(({ pid }) => pid);

  const keyed = () => ({ 'idempotency-key': randomUUID() });

  it('leaves the service’s connection to PostgreSQL open, whatever the reason of the refusal', async () => {
    const { id, subject } = await story.sent();
    const before = await backends();
    expect(before).toHaveLength(1);
    for (let n = 0; n < 20; n++) {
      expect((await story.start(subject)).body.code).toBe('onboarding_live');
      expect((await story.start(subject, {}, keyed())).body.code).toBe('onboarding_live');
      const { code } = (await story.call('POST', `/v1/onboardings/${id}/retry`, { reason: 'x' }, keyed()))
        .body;
      expect(code).toBe('illegal_state');
    }
    const spent = story.newSubject();
    for (let n = 0; n < 2; n++) await story.cancel((await story.sent(spent)).id);
    for (let n = 0; n < 20; n++) {
      expect((await story.start(spent, {}, keyed())).body.code).toBe('otp_send_limit');
      expect((await story.start(spent)).body.code).toBe('otp_send_limit');
    }
    expect(await backends()).toEqual(before);
  });
});

describe('a request that needs encrypted data', () => {
  afterEach(async () => {
    jest.restoreAllMocks();
    await story.end();
  });

  /** @returns how often a data key is decrypted while `work` runs. */
  async function openedBy(work: () => Promise<unknown>): Promise<number> {
    const open = jest.spyOn(Sealer.prototype, 'open');
    try {
      await work();
      return open.mock.calls.filter(([place]) => place.field === 'data_key').length;
    } finally {
      open.mockRestore();
    }
  }

  it('decrypts the data key of its onboarding once, and the next request decrypts it again', async () => {
    story = await Story.begin({ worker: false });
    const subject = story.newSubject();
    expect(await openedBy(() => story.sent(subject))).toBe(0);
    const { body } = await story.call<{ items: { id: string }[] }>('GET', '/v1/onboardings?limit=1');
    const { id } = body.items[0]!;
    const wrong = story.wrongCode(subject);
    for (let n = 0; n < 2; n++) expect(await openedBy(() => story.verify(id, wrong))).toBe(1);
    expect(await openedBy(() => story.verify(id, story.code(subject)))).toBe(1);
    const passkey = await story.passkey(id);
    expect(await openedBy(() => story.register(id, [passkey]))).toBe(1);
  });

  it('also decrypts the data key once if it stores upstream requests and shows a contact', async () => {
    story = await Story.begin({ worker: false, env: throughDoor('turnkey') });
    const person = new Person(story, { known: false });
    expect(await openedBy(() => person.start())).toBe(0);
    const { body } = await story.call<{ items: { id: string }[] }>('GET', '/v1/onboardings?limit=1');
    const { id } = body.items[0]!;
    expect(await openedBy(() => story.get(id))).toBe(1);
    expect(await openedBy(() => story.verify(id, person.code()))).toBe(1);
    const passkey = await story.passkey(id);
    expect(await openedBy(() => story.register(id, [passkey]))).toBe(1);
    expect((await story.get(id)).body.state).toBe('completed');
  });
});
