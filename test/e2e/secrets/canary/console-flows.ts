import { ConsoleBrowser, tokenOf } from '../../../support/console-browser.js';
import { beginAt, byLink, byPassword, callBack } from '../../../support/console-logins.js';
import { send, type Reply } from '../../../support/http-exchange.js';
import { unique, type Canary } from './canary.js';

const PAGES = ['/', '/onboardings', '/funnel', '/operations', '/refusals', '/audit', '/sessions', '/queues'];

export async function consoleFlows(canary: Canary): Promise<void> {
  const { story } = canary;
  await wrongLogins(canary);
  for (const logIn of [atProvider, byEmergency, byOneTimeLink]) {
    const browser = new ConsoleBrowser(story);
    canary.page(await logIn(canary, browser));
    know(canary, browser);
    for (const path of PAGES) canary.page(await browser.visit(path));
    await board(canary, browser);
    const form = canary.page(await browser.visit('/logout'));
    canary.secret('form token', tokenOf(form));
    canary.page(await browser.post('/logout', { token: unique('wrong') }));
    canary.page(await browser.post('/logout', { token: tokenOf(form) }));
    canary.page(await browser.visit('/'));
  }
  for (const path of ['/docs', '/docs/', '/docs-json', '/openapi.json', '/docs/swagger-ui-init.js']) {
    const { headers, text } = await send(story, 'GET', path);
    canary.put('contract and its page', `${JSON.stringify(headers)} ${text}`);
  }
}

function know(canary: Canary, browser: ConsoleBrowser): void {
  for (const value of browser.cookies.values()) canary.secret('console cookie', value);
}

async function atProvider(canary: Canary, browser: ConsoleBrowser): Promise<Reply> {
  const url = await beginAt(browser);
  know(canary, browser);
  const address = await canary.provider.logIn(url.href, 'ada');
  canary.secret('authorization code', new URL(address).searchParams.get('code')!);
  return callBack(browser, address);
}

const byEmergency = (canary: Canary, browser: ConsoleBrowser): Promise<Reply> =>
  byPassword(browser, { password: canary.opsPassword });

const byOneTimeLink = (canary: Canary, browser: ConsoleBrowser): Promise<Reply> =>
  byLink(browser, canary.loginLink);

async function wrongLogins(canary: Canary): Promise<void> {
  const page = (reply: Reply) => canary.page(reply);
  const wrong = unique('wrong');
  canary.secret('emergency password', wrong);
  const stranger = new ConsoleBrowser(canary.story);
  for (const path of PAGES) page(await stranger.visit(path));
  for (const [name, password] of [
    ['ana', wrong],
    [wrong, wrong],
    [canary.opsPassword, 'twelve characters'],
    ['ana', wrong.repeat(40)],
  ] as const) {
    page(await byPassword(stranger, { name, password }));
    know(canary, stranger);
  }
  page(await byPassword(stranger, { password: canary.opsPassword, token: wrong, [wrong]: wrong }));
  const json = { 'content-type': 'application/json' };
  page(await stranger.fetch('POST', '/login/emergency', json, JSON.stringify({ password: wrong })));
  page(await stranger.visit(`/login?password=${wrong}&name=${wrong}&next=${wrong}`));
  // The identity provider's error, an unknown login link, and a valid answer with another code.
  page(await stranger.visit(`/login/callback?code=${wrong}&state=${wrong}&error=${wrong}`));
  page(await byLink(stranger, `${canary.story.consoleUrl}/login/link?token=no-such-link`));
  const address = new URL(await canary.provider.logIn((await beginAt(stranger)).href, 'ada'));
  canary.secret('authorization code', address.searchParams.get('code')!);
  address.searchParams.set('code', wrong);
  page(await callBack(stranger, address.href));
}

interface Board {
  queues: { name: string; jobs: { id: string }[] }[];
}

async function board(canary: Canary, browser: ConsoleBrowser): Promise<void> {
  const read = async (path: string) => {
    const reply = await browser.fetch('GET', `/queues/api/${path}`);
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
