import { run } from '../../apps/cli/src/run.js';
import type { Story } from './story.js';

/** Runs `gangway <args>` in this process, on the story's database. */
export async function gangway(
  story: Story,
  ...args: string[]
): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' };
  const env = { DATABASE_URL: story.databaseUrl, HASH_KEY: story.env['HASH_KEY']! };
  const code = await run(args, env, {
    out: (text) => (said.out += text),
    err: (text) => (said.err += text),
  });
  return { code, ...said };
}
