import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { KEY, expectProblem, pointers, send } from '../../support/http-exchange.js';
import { Story, type Subject } from '../../support/story.js';
import { runOut } from '../../support/time-travel.js';

let story: Story;
beforeAll(async () => {
  story = await Story.begin({ worker: false });
});
afterAll(() => story.end());

describe('the list of onboardings', () => {
  const ref = `list-${randomUUID()}`;
  const rows: { id: string; subject: Subject; createdAt: string }[] = [];
  const accountId = randomUUID();

  interface Page {
    items: { id: string; state: string; createdAt: string }[];
    nextCursor: string | null;
  }
  const list = async (query: string): Promise<Page> => {
    const { status, body } = await story.call<Page>('GET', `/v1/onboardings?${query}`);
    expect(status).toBe(200);
    return body;
  };
  const ids = async (query: string) => (await list(query)).items.map(({ id }) => id);

  beforeAll(async () => {
    for (let n = 0; n < 7; n++) {
      const subject = { ...story.newSubject(), accountId };
      story.sandbox.control.addSubject(subject);
      const { body } = await story.start(subject, { externalRef: n === 3 ? `${ref}-3` : ref });
      rows.unshift({ id: body.id, subject, createdAt: body.createdAt });
    }
    await story.cancel(rows[2]!.id);
  });

  it('gives each onboarding once, the newest first, although new ones start between two pages', async () => {
    const seen: string[] = [];
    let cursor: string | null = null;
    let pages = 0;
    do {
      const page: Page = await list(`accountId=${accountId}&limit=2${cursor ? `&cursor=${cursor}` : ''}`);
      expect(page.items.length).toBeLessThanOrEqual(2);
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.nextCursor;
      pages += 1;
      if (pages === 2) await story.sent();
    } while (cursor);
    expect(seen).toEqual(rows.map(({ id }) => id));
    expect(pages).toBe(4);
    const exact = await list(`accountId=${accountId}&limit=7`);
    expect(exact.nextCursor).toBeNull();
  });

  it('filters by whether an onboarding is parked', async () => {
    const subject = { ...story.newSubject(), accountId: randomUUID() };
    story.sandbox.control.addSubject(subject);
    const { userId, accountId: account } = subject;
    story.sandbox.control.addFault({ route: 'init-otp', match: { userId }, status: 401, times: 0 });
    // The provider refuses the probe too, so the key is at fault, and the onboarding is parked.
    const ours = story.sandbox.control.addFault({ route: 'whoami', status: 401, times: 0 });
    const { id } = (await story.start(subject)).body;
    expect((await story.get(id)).body.parked).not.toBeNull();
    expect(await ids(`accountId=${account}&parked=true`)).toEqual([id]);
    expect(await ids(`accountId=${account}&parked=false`)).toEqual([]);
    expect(await ids(`accountId=${accountId}&parked=false`)).toHaveLength(rows.length);
    // An expired onboarding is not parked, even before the worker has written the expiry.
    await runOut(story, id, 'whole');
    expect(await ids(`accountId=${account}&parked=true`)).toEqual([]);
    expect(await ids(`accountId=${account}&parked=false`)).toEqual([id]);
    expect((await story.call('GET', '/v1/onboardings?parked=yes')).status).toBe(400);
    story.sandbox.control.removeFaults(ours.id);
  });

  it('filters by each of its parameters, and by several together', async () => {
    const all = rows.map(({ id }) => id);
    expect(await ids(`externalRef=${ref}`)).toEqual(all.filter((_, n) => n !== 3));
    expect(await ids(`userId=${rows[1]!.subject.userId}`)).toEqual([all[1]]);
    expect(await ids(`accountId=${accountId}&state=cancelled`)).toEqual([all[2]]);
    expect(await ids(`accountId=${accountId}&state=completed`)).toEqual([]);
    expect(await ids(`accountId=${accountId}&state=completed,cancelled`)).toEqual([all[2]]);
    expect(await ids(`accountId=${accountId}&integration=byzantine`)).toEqual(all);
    expect(await ids(`accountId=${accountId}&integration=another`)).toEqual([]);
    const { createdAt } = rows[3]!;
    const around = [
      await ids(`accountId=${accountId}&createdAfter=${createdAt}`),
      await ids(`accountId=${accountId}&createdBefore=${createdAt}`),
    ];
    // Both filters leave out the onboarding with exactly this time.
    expect(around).toEqual([all.slice(0, 3), all.slice(4)]);
    expect(
      await ids(`accountId=${accountId}&state=otp_sent&externalRef=${ref}&integration=byzantine&limit=200`),
    ).toEqual(all.filter((_, n) => n !== 2 && n !== 3));
  });

  it.each([
    ['cursor=%%%', ''],
    ['cursor=abc', '/cursor'],
    [`cursor=${Buffer.from('x'.repeat(36)).toString('base64url')}`, '/cursor'],
    ['limit=0', '/limit'],
    ['limit=201', '/limit'],
    ['limit=ten', '/limit'],
    ['state=sleeping', '/state'],
    ['state=otp_sent,', '/state'],
    ['state=otp_sent&state=failed', '/state'],
    ['createdAfter=yesterday', '/createdAfter'],
    ['more=1', ''],
  ])('refuses %s', async (query, pointer) => {
    const reply = await send(story, 'GET', `/v1/onboardings?${query}`, { headers: KEY });
    const problem = expectProblem(reply, 400, 'validation_failed');
    if (pointer) expect(pointers(problem)).toEqual([pointer]);
    expect(problem.instance).toBe('/v1/onboardings');
  });
});

describe('the list of a timeline’s events', () => {
  it('continues after a given event number, without a gap', async () => {
    const { id } = await story.verified();
    const all = await story.events(id);
    expect(all.map(({ seq }) => seq)).toEqual(all.map((_, n) => n + 1));
    const seen = [];
    for (let after = 0; ;) {
      const path = `/v1/onboardings/${id}/events?after=${after}&limit=3`;
      const { items } = (await story.call<{ items: typeof all }>('GET', path)).body;
      if (items.length === 0) break;
      seen.push(...items);
      after = items.at(-1)!.seq;
    }
    expect(seen).toEqual(all);
    for (const query of ['after=-1', 'after=x', 'limit=0', 'limit=1001', 'before=1']) {
      const reply = await send(story, 'GET', `/v1/onboardings/${id}/events?${query}`, { headers: KEY });
      expectProblem(reply, 400, 'validation_failed');
    }
  });
});
