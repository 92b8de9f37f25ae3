import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { until } from '#libs/testing';

const CHECKOUT = fileURLToPath(new URL('../../', import.meta.url));
const COPIED = [
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
  'apps',
  'dist',
  'libs',
  'tools',
];
let home: string;

function copyCheckout(name: string): string {
  const path = join(home, name);
  for (const entry of COPIED) {
    cpSync(join(CHECKOUT, entry), join(path, entry), { recursive: true, preserveTimestamps: true });
  }
  symlinkSync(join(CHECKOUT, 'node_modules'), join(path, 'node_modules'));
  return path;
}

function environment(): NodeJS.ProcessEnv {
  const { npm_lifecycle_event: _, DATABASE_URL: _url, REDIS_URL: _redis, ...env } = process.env;
  return { ...env, NODE_OPTIONS: '' };
}

function launch(path: string, ...args: string[]) {
  const child = spawn(process.execPath, [join(path, 'tools', 'gangway.mjs'), 'start', ...args], {
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const launched = { child, said: '', closed: once(child, 'close') as Promise<[number]> };
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => (launched.said += String(chunk)));
  }
  return launched;
}

async function start(path: string) {
  const launched = launch(path, '--once');
  const [code] = await launched.closed;
  return { code, said: launched.said };
}

async function inShell(path: string, command: string) {
  const gangway = `gangway() { '${process.execPath}' tools/gangway.mjs cli "$@"; }`;
  return promisify(execFile)('bash', ['-c', `${gangway}; eval "$(gangway env)"; ${command}`], {
    cwd: path,
    env: environment(),
  });
}

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'gangway-starts-'));
});
afterEach(async () => {
  for (const name of ['one', 'other']) {
    const reset = spawn(process.execPath, [join(home, name, 'tools', 'gangway.mjs'), 'reset'], {
      stdio: 'ignore',
    });
    await once(reset, 'close');
  }
  rmSync(home, { recursive: true });
});

const COMPLETED = { code: 0, said: expect.stringContaining('✓ completed') };

describe('npm start', () => {
  it('completes in two folders at the same time, with separate ports', async () => {
    const ends = await Promise.all([copyCheckout('one'), copyCheckout('other')].map(start));
    expect(ends).toEqual([COMPLETED, COMPLETED]);
  }, 240_000);

  it('completes once if it runs twice in one folder, and the second run suggests no reset', async () => {
    const path = copyCheckout('one');
    const [completed, refused] = (await Promise.all([start(path), start(path)])).toSorted(
      (a, b) => a.code - b.code,
    );
    expect(completed).toEqual(COMPLETED);
    const running = /^\ngangway: .* already runs in this folder \(process \d+\)\. .*\n$/;
    expect(refused).toEqual({ code: 1, said: expect.stringMatching(running) });
    expect(refused?.said).not.toContain('reset');
  }, 240_000);

  it('gives its addresses, key and settings to a shell in its folder, and to no other shell', async () => {
    const [one, other] = [copyCheckout('one'), copyCheckout('other')];
    const serving = launch(one);
    try {
      await until('it serves', () => serving.said.includes('Ctrl-C'), 120_000);
      const list = 'curl -sS -H "Authorization: Bearer $API_KEY" "$SERVICE/v1/onboardings"';
      const { items } = JSON.parse((await inShell(one, list)).stdout) as { items: { state: string }[] };
      expect(items).toEqual([expect.objectContaining({ state: 'completed' })]);
      const checked = await inShell(one, 'gangway contract-check');
      expect(checked.stdout).toMatch(/^ok +byzantine [^]* key [0-9a-f]+: accepted$/m);
      const elsewhere = await inShell(other, 'echo "service: $SERVICE"');
      expect(elsewhere.stdout).toBe('service: \n');
      expect(elsewhere.stderr).toContain('npm start does not serve in this folder');
    } finally {
      serving.child.kill('SIGINT');
      await serving.closed;
    }
  }, 240_000);
});
