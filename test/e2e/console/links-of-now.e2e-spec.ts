import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { anOnboarding, inMs } from '#libs/testing';
import { ConsoleBrowser } from '../../support/console-browser.js';
import { Story } from '../../support/story.js';

let story: Story;
let operator: ConsoleBrowser;
beforeAll(async () => {
  story = await Story.begin({ worker: false, console: true });
  operator = await ConsoleBrowser.as('operator', story);
  for (const [count, columns] of ROWS) {
    for (let n = 0; n < count; n++)
      await anOnboarding({ query: (sql, values) => story.sql(sql, values) }, columns);
  }
});
afterAll(() => story.end());

const LOST = { state: 'outcome_unknown', doubt_attempt: 3 };
const [VERIFYING, CREATING] = [
  { state: 'otp_submitted', step: 'verify-otp' },
  { state: 'authenticators_submitted', step: 'create-authenticators', session_ends_at: inMs(600_000) },
];
const WAITING = { next_attempt_at: inMs(60_000) };
const PARKED = { parked_at: inMs(-60_000) };
const ROWS: [count: number, columns: Record<string, unknown>][] = [
  [1, { ...LOST, step: 'verify-otp' }],
  [2, { ...LOST, step: 'create-authenticators' }],
  [1, { ...VERIFYING, ...PARKED, parked_reason: 'upstream_misconfigured' }],
  [2, { ...VERIFYING, ...PARKED, parked_reason: 'integration_missing' }],
  [3, { ...VERIFYING, ...WAITING }],
  [4, { ...CREATING, ...WAITING }],
  [5, { ...CREATING, lease_until: inMs(60_000) }],
];

it('if the outcome of verify-otp is unknown, the page Now offers only “Send a new code”', async () => {
  const { text } = await operator.visit('/');
  const linksOf = (step: string) => {
    const [row = ''] = text.match(new RegExp(`<td[^>]*>${step}</td>.*?</tr>`, 's')) ?? [];
    return [...row.matchAll(/<a href="(\/operations\/new\?[^"]+)">([^<]+)<\/a>/g)].map(
      ([, path = '', words = '']) => ({ path: path.replaceAll('&amp;', '&'), words }),
    );
  };
  const links = linksOf('verify-otp');
  expect(links.map(({ words }) => words)).toEqual(['Send a new code']);
  expect(linksOf('create-authenticators').map(({ words }) => words)).toEqual([
    'It was done',
    'It was not done',
  ]);
  expect((await operator.visit(links[0]!.path)).text).toContain('Dry run: 1 of 1 can be tried');
});

it.each([
  ['state=outcome_unknown', '2 of 3'],
  ['step=verify-otp&state=outcome_unknown', '0 of 1'],
])(
  'a dry run of “It was done” does not count verify-otp steps with an unknown outcome: filter %s',
  async (filter, counted) => {
    const { text } = await operator.visit(`/operations/new?${filter}&action=resolve_done`);
    expect(text).toContain(`Dry run: ${counted} can be tried`);
  },
);

it('each link on the console’s page Now leads to as many onboardings as the link says', async () => {
  const { text } = await operator.visit('/');
  const links = [...text.matchAll(/<a href="(\/onboardings\?[^"]+)">(\d+)( onboardings?)?<\/a>/g)];
  const shown: [path: string, count: number][] = links.map(([, path, count]) => [
    path!.replaceAll('&amp;', '&'),
    Number(count),
  ]);
  const counts = shown.map(([, count]) => count);
  expect(counts).toEqual(expect.arrayContaining([1, 2, 3, 4, 7]));
  for (const [path, count] of shown) {
    const list = await operator.visit(path);
    expect([path, list.text.match(/<th scope="row"/g)?.length]).toEqual([path, count]);
  }
});
