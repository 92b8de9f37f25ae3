import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { LoginLinks, loginLink, type NewLink } from '#libs/operators';
import { until } from '#libs/testing';
import { ConsoleBrowser } from '../../support/console-browser.js';
import { byLink, pathOf, whoIs } from '../../support/console-logins.js';
import { Story } from '../../support/story.js';

let story: Story;
beforeAll(async () => {
  const env = { OPS_LOGIN_TRIES: '1000' };
  story = await Story.begin({ service: false, worker: false, console: true, env });
});
afterAll(() => story.end());

const linkFor = async (link: Partial<NewLink> = {}): Promise<string> => {
  const { token } = await story.console.get(LoginLinks).make({ name: 'ana', role: 'operator', ...link });
  return loginLink(story.consoleUrl, token);
};

it('a one-time login link logs in once, with the name and role that it was made for', async () => {
  const link = await linkFor();
  const browser = new ConsoleBrowser(story);
  const done = await byLink(browser, link);
  expect([done.status, done.headers['location']]).toEqual([303, '/']);
  expect(await whoIs(browser)).toBe('link:ana operator');

  const second = await byLink(new ConsoleBrowser(story), link);
  expect([second.status, second.text]).toEqual([401, expect.stringContaining('was used before')]);
});

it('a one-time login link logs in only one of two browsers that use it at the same time', async () => {
  const link = await linkFor();
  const replies = await Promise.all([1, 2, 3].map(() => byLink(new ConsoleBrowser(story), link)));
  expect(replies.map(({ status }) => status).sort()).toEqual([303, 401, 401]);
});

it('a one-time login link still works after a chat has opened its page for a preview', async () => {
  const link = await linkFor();
  for (let n = 0; n < 3; n += 1) await new ConsoleBrowser(story).visit(pathOf(link));
  expect((await byLink(new ConsoleBrowser(story), link)).status).toBe(303);
});

it('a one-time login link expires', async () => {
  const link = await linkFor({ lifeMs: -60_000 });
  const refused = await byLink(new ConsoleBrowser(story), link);
  expect([refused.status, refused.text]).toEqual([401, expect.stringContaining('it has expired')]);
});

it('a one-time login link is valid for at most 15 minutes, and is stored only as a hash', async () => {
  const link = await linkFor({ lifeMs: 86_400_000 });
  const rows = await story.sql<{ row: string; left: number }>(
    `SELECT l::text AS row, extract(epoch FROM expires_at - clock_timestamp())::float8 AS left
     FROM operator_links l`,
  );
  expect(Math.max(...rows.map(({ left }) => left))).toBeLessThanOrEqual(900);
  const token = new URL(link).searchParams.get('token')!;
  const text = JSON.stringify(rows);
  expect(text).not.toContain(token);
  expect(text).not.toContain(Buffer.from(token, 'base64url').toString('hex'));
});

it('the audit records the use of a one-time login link, but not its token', async () => {
  const link = await linkFor({ name: 'zoe' });
  await byLink(new ConsoleBrowser(story), link);
  const rows = await until('the row', async () => {
    const found = await story.sql<{ row: string }>(
      "SELECT a::text AS row FROM audit_events a WHERE actor = 'operator:link:zoe'",
    );
    return found.length > 0 && found;
  });
  expect(rows[0]!.row).toContain('console: login: link');
  expect(rows[0]!.row).not.toContain(new URL(link).searchParams.get('token'));
});
