import { ConsoleBrowser, tokenOf } from '../../../support/console-browser.js';
import { send } from '../../../support/http-exchange.js';
import { unique, type Canary } from './canary.js';

/** Logs in and out, with right and wrong input, and opens every page and answer. */
export async function consoleFlows(canary: Canary): Promise<void> {
  const { story } = canary;
  const page = (reply: Awaited<ReturnType<typeof send>>) => canary.page(reply);
  const session = (browser: ConsoleBrowser) => {
    for (const value of browser.cookies.values()) canary.secret('console cookie', value);
  };
  const wrong = unique('wrong');
  canary.secret("operator's password", wrong);
  const stranger = new ConsoleBrowser(story);
  page(await stranger.visit('/ops'));
  page(await stranger.visit('/ops/queues'));
  for (const [name, password] of [
    ['ops', wrong],
    ['unknown', wrong],
    [wrong, wrong],
    [canary.opsPassword, 'twelve characters'],
    ['ops', wrong.repeat(40)],
  ] as const) {
    const form = page(await stranger.visit('/ops/login'));
    canary.secret('form token', tokenOf(form));
    session(stranger);
    page(await stranger.post('/ops/login', { name, password, token: tokenOf(form) }));
  }
  page(
    await stranger.post('/ops/login', {
      name: 'ops',
      password: canary.opsPassword,
      token: wrong,
      [wrong]: wrong,
    }),
  );
  page(
    await stranger.fetch(
      'POST',
      '/ops/login',
      { 'content-type': 'application/json' },
      JSON.stringify({ password: wrong }),
    ),
  );
  page(await stranger.visit(`/ops/login?password=${wrong}&name=${wrong}&next=${wrong}`));

  for (const { name, password } of [{ name: 'ops', password: canary.opsPassword }, canary.operator!]) {
    const browser = new ConsoleBrowser(story);
    page(await browser.tryLogIn(name, password));
    session(browser);
    const home = page(await browser.visit('/ops'));
    canary.secret('form token', tokenOf(home));
    page(await browser.visit('/ops/queues'));
    await board(canary, browser);
    page(await browser.post('/ops/logout', { token: wrong }));
    page(await browser.post('/ops/logout', { token: tokenOf(home) }));
    page(await browser.visit('/ops'));
  }
  for (const path of ['/docs', '/docs/', '/docs-json', '/openapi.json', '/docs/swagger-ui-init.js']) {
    const { headers, text } = await send(story, 'GET', path);
    canary.put('contract and its page', `${JSON.stringify(headers)} ${text}`);
  }
}

interface Board {
  queues: { name: string; jobs: { id: string }[] }[];
}

/** Reads every list of the queue board, and jobs with their data and logs. */
async function board(canary: Canary, browser: ConsoleBrowser): Promise<void> {
  const read = async (path: string) => {
    const reply = await browser.fetch('GET', `/ops/queues/api/${path}`);
    canary.put('queue board', `${JSON.stringify(reply.headers)} ${reply.text}`);
    return reply.text;
  };
  const { queues } = JSON.parse(await read('queues')) as Board;
  await read('redis/stats');
  for (const { name } of queues) {
    for (const status of ['latest', 'completed', 'failed', 'delayed', 'active', 'waiting']) {
      const query = `queues?activeQueue=${name}&status=${status}&page=1&jobsPerPage=100`;
      const { jobs } = (JSON.parse(await read(query)) as Board).queues.find((each) => each.name === name)!;
      for (const { id } of jobs.slice(0, 20)) {
        await read(`queues/${name}/${encodeURIComponent(id)}`);
        await read(`queues/${name}/${encodeURIComponent(id)}/logs`);
      }
    }
  }
}
