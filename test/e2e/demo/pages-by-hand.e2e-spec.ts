import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it, jest } from '@jest/globals';
import { API_KEY, ORIGIN, Story } from '../../support/story.js';

jest.setTimeout(120_000);

const ROOT = join(import.meta.dirname, '../../..');
const run = promisify(execFile);

let story: Story;
beforeAll(async () => {
  story = await Story.begin();
});
afterAll(() => story.end());

function commandsOf(page: string): string {
  const blocks = [...readFileSync(join(ROOT, page), 'utf8').matchAll(/^```bash\n([\s\S]*?)^```$/gm)];
  return blocks
    .map(([, block = '']) => block)
    .filter((block) => !/^npm (?:start|test)$|console link/m.test(block))
    .join('\n')
    .replace(/^eval "\$\(npm run -s gangway -- env\)".*$/m, '');
}

it.each(['README.md', 'docs/tutorial.md'])(
  'the commands on the page %s print what the page says',
  async (page) => {
    const commands = commandsOf(page);
    const addresses = { SERVICE: story.serviceUrl, SANDBOX: story.sandbox.url, DEMO: ORIGIN };
    const { stdout } = await run('bash', ['-eu', '-o', 'pipefail', '-c', commands], {
      cwd: ROOT,
      env: { ...process.env, ...addresses, API_KEY },
    });
    const promised = [...commands.matchAll(/pick .* # (\w+)$/gm)].map(([, word = '']) => word);
    expect(promised.length).toBeGreaterThan(1);
    const printed = stdout.match(new RegExp(`\\b(?:${promised.join('|')})\\b`, 'g')) ?? [];
    expect(printed).toEqual(expect.arrayContaining(promised));
    expect(printed.at(-1)).toBe('completed');
  },
);
