import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { PROVIDERS } from '#libs/upstream';
import { COMMANDS } from './commands.mjs';
import { readFlags } from './flags.mjs';

const TOOLS = fileURLToPath(new URL('../', import.meta.url));
let clone: string;

/** Makes a clone without packages and without a build. */
beforeAll(() => {
  clone = mkdtempSync(join(tmpdir(), 'gangway-clone-'));
  cpSync(TOOLS, join(clone, 'tools'), { recursive: true });
  mkdirSync(join(clone, 'apps'));
});

function gangway(...args: string[]) {
  const { npm_lifecycle_event: _, ...env } = process.env;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(clone, 'tools', 'gangway.mjs'), ...args],
    {
      env: { ...env, NODE_OPTIONS: '' },
      encoding: 'utf8',
    },
  );
  return { status, out: stdout, err: stderr };
}

describe('--help', () => {
  it.each(Object.keys(COMMANDS) as (keyof typeof COMMANDS)[])('lists every flag of %s', (name) => {
    const { help } = readFlags(COMMANDS[name], ['--help']);
    for (const flag of [...Object.keys(COMMANDS[name].flags), 'help']) expect(help).toContain(`--${flag}`);
  });

  it.each([['-h'], ['--once', '-h'], ['--unheard-of', '--help']])(
    'is recognized in a command line that begins with %s',
    (...args) => {
      expect(readFlags(COMMANDS.start, args)).toEqual(readFlags(COMMANDS.start, ['--help']));
    },
  );
});

describe('flags', () => {
  it('accept every kind of provider for --integration', () => {
    expect(COMMANDS.start.flags.integration.of).toEqual(PROVIDERS.map(({ kind }) => kind));
  });

  it.each([
    [[], { once: false, integration: 'byzantine' }],
    [['--once'], { once: true, integration: 'byzantine' }],
    [['--integration', 'turnkey'], { once: false, integration: 'turnkey' }],
    [['--integration=turnkey', '--once'], { once: true, integration: 'turnkey' }],
  ])('are read from the arguments %j', (args, values) => {
    expect(readFlags(COMMANDS.start, args)).toEqual({ values });
  });

  it('may have a value that begins with a dash, if it follows "="', () => {
    expect(readFlags(COMMANDS['passkey-cli'], ['--name=-x-'])).toMatchObject({ values: { name: '-x-' } });
  });

  it.each([
    ['a misspelt flag', 'start', ['--onec'], 'npm start has no flag --onec.'],
    ['a letter', 'start', ['-o'], 'npm start has no flag -o.'],
    ['a name that every object has', 'start', ['--constructor'], 'npm start has no flag --constructor.'],
    ['a negated flag', 'start', ['--no-once'], 'npm start has no flag --no-once.'],
    ['a stray word', 'start', ['turnkey'], 'npm start takes flags only, not "turnkey".'],
    ['a flag after dashes', 'start', ['--', '--once'], 'npm start takes flags only, not "--once".'],
    ['a missing choice', 'start', ['--integration'], '--integration needs one of byzantine,'],
    ['an empty value', 'start', ['--integration='], '--integration needs one of byzantine,'],
    ['a flag as a value', 'start', ['--integration', '--once'], '--integration needs one of byzantine,'],
    ['an unknown value', 'start', ['--integration', 'of-the-past'], ', not "of-the-past".'],
    ['a value for a switch', 'start', ['--once=yes'], '--once takes no value.'],
    ['a flag of another command', 'reset', ['--once'], 'npm run reset has no flag --once.'],
    [
      'an unknown algorithm',
      'passkey-cli',
      ['--alg', 'HS256'],
      '--alg needs one of ES256, RS256, EdDSA, not "HS256".',
    ],
    ['a missing address', 'self-check', ['--service'], '--service needs a value.'],
  ] as const)('cause a one-line error that names --help: %s', (_, name, args, words) => {
    const { wrong } = readFlags(COMMANDS[name], [...args]);
    expect(wrong).toMatch(/^[^\n]* For all flags: [^\n]* --help$/);
    expect(wrong).toContain(words);
  });
});

describe('the launcher, in a clone without dependencies', () => {
  it('shows help with code 0, and refuses wrong flags with code 2', () => {
    expect(gangway('start', '--help')).toEqual({
      status: 0,
      out: expect.stringContaining('--once'),
      err: '',
    });
    const err = 'gangway: npm start has no flag --onec. For all flags: npm start -- --help\n';
    expect(gangway('start', '--onec')).toEqual({ status: 2, out: '', err });
  });

  it.each([
    [['--help'], 'Which command?'],
    [['strat'], 'Gangway has no command "strat".'],
    [['run', 'sandbux'], 'Gangway has no app "sandbux".'],
  ])('refuses the arguments %j', (args, words) => {
    expect(gangway(...args)).toEqual({ status: 1, out: '', err: expect.stringContaining(words) });
  });

  afterAll(() => {
    // The launcher has installed nothing.
    expect(readdirSync(clone).toSorted()).toEqual(['apps', 'tools']);
    rmSync(clone, { recursive: true });
  });
});
