import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ChromiumPage, findChromium } from './chromium.js';
import { OPS_PASSWORD, Story } from './story.js';

const chromium = findChromium();
const withChromium = chromium === null ? describe.skip : describe;
if (chromium === null) {
  process.stderr.write(
    '\n!!! NO CHROMIUM: that pages work under their Content-Security-Policy is NOT checked (set CHROMIUM)\n\n',
  );
}

withChromium('in a real browser', () => {
  let story: Story;
  let page: ChromiumPage;
  beforeAll(async () => {
    story = await Story.begin();
    page = await ChromiumPage.open(chromium!);
  });
  afterAll(async () => {
    await page?.close();
    await story.end();
  });

  const at = (path: string) => `${story.serviceUrl}${path}`;
  const fill = (id: string, value: string) =>
    page.run(`document.getElementById(${JSON.stringify(id)}).value = ${JSON.stringify(value)}`);

  it('an operator logs in, works on the board and logs out, and nothing breaks its policy', async () => {
    await page.goTo(at('/ops'), 'form.login');
    await fill('name', 'ops');
    await fill('password', OPS_PASSWORD);
    await page.run(`document.querySelector('form.login button').click()`);
    await page.shows('header form[action="/ops/logout"]');
    // Drawn by the stylesheet: a policy that keeps it out would leave the browser's own margin.
    expect(await page.run('getComputedStyle(document.body).margin')).toBe('0px');

    await page.goTo(at('/ops/queues/queue/upkeep'), 'a[href*="/queue/steps"]');
    const paused = await page.run(
      `fetch('/ops/queues/api/queues/expiry/pause', { method: 'PUT' }).then(({ status }) => status)`,
    );
    expect(paused).toBe(200);
    expect(await page.run(`document.cookie`)).toBe('');

    await page.goTo(at('/ops'), 'header form');
    await page.run(`document.querySelector('header button').click()`);
    await page.shows('form.login');
    expect(page.complaints).toEqual([]);
  });

  it('the API’s routes can be browsed, and nothing breaks their policy', async () => {
    await page.goTo(at('/docs'), '.swagger-ui .opblock');
    expect(page.complaints).toEqual([]);
  });

  it('a script that got into a page is not run, and is heard of here', async () => {
    await page.goTo(at('/ops/login'), 'form.login');
    await page.run(
      `document.body.append(Object.assign(document.createElement('script'), { textContent: 'globalThis.ran = 1' }))`,
    );
    expect(await page.run('globalThis.ran ?? null')).toBeNull();
    expect(page.complaints.length).toBeGreaterThan(0);
  });
});
