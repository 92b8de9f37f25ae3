import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { until } from '#libs/testing';
import { ConsoleBrowser, tokenOf } from '../../support/console-browser.js';
import { Story } from '../../support/story.js';

let story: Story;
let admin: ConsoleBrowser;
let token: string;
beforeAll(async () => {
  story = await Story.begin({ worker: false, console: true });
  admin = await ConsoleBrowser.as('admin', story);
  token = tokenOf(await admin.visit('/sessions'));
});
afterAll(() => story.end());

const UNKNOWN = randomUUID();

describe('the console', () => {
  it.each([
    ['/onboardings/abc', 404],
    [`/onboardings/${UNKNOWN}`, 404],
    ['/onboardings/%00', 404],
    ['/operations/abc', 404],
    [`/operations/${UNKNOWN}`, 404],
    [`/operations/${UNKNOWN}?after=x`, 404],
    ['/operations?after=x', 200],
    ['/operations?after=x&after=y', 200],
    ['/onboardings?after=x', 400],
    ['/onboardings?state=asleep', 400],
    ['/onboardings?staet=failed', 400],
    ['/onboardings?integration=%00', 400],
    ['/onboardings?q=%00', 400],
    [`/onboardings?q=${'x'.repeat(300)}`, 400],
    ['/onboardings?createdAfter=tomorrow', 400],
    ['/operations/new?staet=failed', 400],
    ['/operations/new?state=failed&action=explode', 200],
    ['/operations/new?action=erase', 400],
    ['/funnel?from=2026-13-01', 400],
    ['/funnel?from=2026-11-02&to=2026-11-01', 400],
    ['/funnel?from=2020-01-01', 400],
    ['/audit?before=x', 200],
    ['/audit?before=99999999999999999999', 200],
    ['/nothing', 404],
  ])('answers %s with an HTML page and status %d', async (path, status) => {
    const reply = await admin.visit(path);
    expect([reply.status, reply.headers['content-type']]).toEqual([status, 'text/html; charset=utf-8']);
    expect(reply.text).toContain('<h1');
  });

  it.each([
    ['no action', {}, 400],
    ['an unknown action', { action: 'explode', id: UNKNOWN }, 400],
    ['an id that is no id', { action: 'cancel', id: 'abc' }, 400],
    ['no reason', { action: 'cancel', id: UNKNOWN, reason: ' ' }, 400],
    ['a reason that PostgreSQL cannot store', { action: 'cancel', id: UNKNOWN, reason: 'a\0b' }, 400],
    ['a reason that is too long', { action: 'cancel', id: UNKNOWN, reason: 'x'.repeat(501) }, 400],
    ['no condition', { action: 'cancel' }, 400],
    ['an unknown condition', { action: 'cancel', staet: 'failed' }, 400],
    ['the token of another session', { action: 'cancel', id: UNKNOWN, token: 'x' }, 403],
  ])('refuses a form with %s', async (_, fields: Record<string, string>, status) => {
    const reply = await admin.post('/operations', { token, reason: 'a test', ...fields });
    expect([reply.status, reply.text.includes('<h1')]).toEqual([status, true]);
    expect(await story.sql('SELECT action FROM operations')).toEqual([]);
  });

  it('names the wrong fields of a form, without their values', async () => {
    const fields = { action: 'explode', id: 'not-an-id', reason: 'a test', token };
    const { text } = await admin.post('/operations', fields);
    expect(text).toContain('The form has missing, unknown or wrong fields: action, id.');
    expect(text).not.toMatch(/explode|not-an-id/);
  });

  it('starts no operation if more onboardings match than the dry run has shown', async () => {
    await story.sent();
    await story.sent();
    const fields = { action: 'cancel', state: 'otp_sent', atMost: '1', reason: 'a test', token };
    const reply = await admin.post('/operations', fields);
    expect([reply.status, reply.text]).toEqual([400, expect.stringContaining('Repeat the dry run.')]);
    expect(await story.sql('SELECT action FROM operations')).toEqual([]);
  });

  it('audits what a viewer tried to change', async () => {
    const viewer = await ConsoleBrowser.as('viewer', story, 'vic');
    const fields = { action: 'cancel', id: UNKNOWN, reason: 'a test', token };
    expect((await viewer.post('/operations', fields)).status).toBe(403);
    const refused = await until('the record', async () => {
      const rows = await story.sql<{ action: string; data: { outcome: string } }>(
        "SELECT action, data FROM audit_events WHERE actor = 'operator:vic'",
      );
      return rows[0];
    });
    expect(refused).toMatchObject({ action: 'console: POST /operations', data: { outcome: 'refused' } });
  });

  it('answers 503 while PostgreSQL is down, and still shows its login page', async () => {
    const proxy = await story.proxyTo('DATABASE_URL');
    const { url } = await story.startConsole({ DATABASE_URL: proxy.url });
    const cut = new ConsoleBrowser({ consoleUrl: url });
    for (const [name, value] of admin.cookies) cut.cookies.set(name, value);
    expect((await cut.visit('/')).status).toBe(200);
    await proxy.close();
    expect((await cut.visit('/')).status).toBe(503);
    expect((await cut.visit('/login')).status).toBe(200);
    await proxy.open();
  });
});
