import { describe, expect, it } from '@jest/globals';
import { run } from './run.js';

/** No database listens at this port, so a command that connects exits with code 1. */
const ENV = { DATABASE_URL: 'postgres://127.0.0.1:1/x', HASH_KEY: Buffer.alloc(32, 9).toString('base64') };

async function gangway(args: string[], env: NodeJS.ProcessEnv = ENV) {
  let [out, err] = ['', ''];
  const code = await run(args, env, { out: (text) => (out += text), err: (text) => (err += text) });
  return { code, out, err };
}

const ID = '01980000-0000-7000-8000-000000000000';
const CREATE = ['keys', 'create', '--caller', 'till', '--scopes', 'admin'];

describe('a wrong command line', () => {
  it.each([
    [[], 'gangway <group> <command>'],
    [['keys'], 'there is no command'],
    [['keys', 'constructor'], 'there is no command'],
    [['constructor', 'name'], 'there is no command'],
    [['keys', 'create', '--caller', 'till'], '--scopes is missing'],
    [['keys', 'create', '--scopes', 'admin'], '--caller is missing'],
    [['keys', 'create', '--caller', 'till', '--scopes', 'root'], '--scopes: unknown: root'],
    [[...CREATE, '--expires-in', 'soon'], '--expires-in takes a duration'],
    [[...CREATE, '--expires-in', '0'], 'would never work'],
    [[...CREATE, '--colour', 'red'], '--colour'],
    [[...CREATE, 'more'], 'the command takes 0 word'],
    [['keys', 'rotate', '0'.repeat(20), '--overlap', '1y'], '--overlap takes a duration'],
    [['onboardings', 'cancel', 'all', '--reason', 'r'], 'give ids of onboardings'],
    [['onboardings', 'cancel', ID, '--parked', '--reason', 'r'], 'give either ids'],
    [['onboardings', 'cancel', ID], '--reason is missing'],
    [['onboardings', 'cancel', ID, '--reason', 'r', '--at-most', 'some'], '--at-most takes a whole number'],
    [['onboardings', 'resolve', ID, '--reason', 'r'], '--outcome takes done or not_done'],
    [['onboardings', 'list', '--state', 'lost'], '--state: unknown: lost'],
    [['onboardings', 'list', '--step', 'otp-auth'], 'The steps are: init-otp, verify-otp'],
    [['onboardings', 'list', '--limit', '0'], '--limit takes a whole number'],
    [['onboardings', 'list', '--created-after', 'noon'], '--created-after takes an instant'],
    [['operations', 'abort', 'x', '--reason', 'r'], 'give the id of an operation'],
    [['integrations', 'pause', 'byzantine'], '--reason is missing'],
    [['refusals', 'forget', ID, '--integration', 'x'], 'usage: gangway refusals forget <id>\n'],
    [['keys', 'revoke'], 'the command takes 1 word'],
    [['keys', 'revoke', `gw_${'0'.repeat(20)}_secret`], 'not a token'],
  ])('exits with code 2 and says how to correct it: %j', async (args, words) => {
    const { code, out, err } = await gangway(args);
    expect([code, out + err]).toEqual([2, expect.stringContaining(words)]);
    expect(out + err).not.toMatch(/_secret/);
  });
});

describe('a command', () => {
  it('shows its help without any configuration', async () => {
    const { code, out } = await gangway(['keys', 'rotate', '--help'], {});
    expect([code, out]).toEqual([0, expect.stringContaining('gangway keys rotate <id> [--overlap 24h]')]);
    for (const args of [['--help'], ['-h'], ['help'], ['keys', '--help'], ['keys', '-h']]) {
      expect(await gangway(args, {})).toMatchObject({ code: 0, out: expect.stringContaining('keys revoke') });
    }
    expect(await gangway(['keys', 'rotate', '-h'], {})).toEqual({ code, out, err: '' });
  });

  it.each([[['refusals', '--help']], [['refusals', 'forgive']]])(
    'shows only the usage of its group if its second word is --help or unknown: %j',
    async (args) => {
      const { out, err } = await gangway(args, {});
      expect(out + err).toContain('gangway refusals <command>');
      expect(out + err).toContain('refusals forget all');
      expect(out + err).not.toMatch(/keys revoke|contract-check \[/);
    },
  );

  it('names the variable of a missing setting', async () => {
    const { code, err } = await gangway(['keys', 'list'], { ...ENV, HASH_KEY: '' });
    expect([code, err]).toEqual([2, expect.stringContaining('HASH_KEY: is missing')]);
  });
});
