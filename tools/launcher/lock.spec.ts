import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

const LOCK = new URL('lock.mjs', import.meta.url).href;
let folder: string;
let running: ChildProcess[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gangway-lock-'));
  running = [];
});
afterEach(async () => {
  for (const child of running) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
});

/** Starts a process that can call the lock's functions. */
function run(script: string): ChildProcess {
  const imports = `import { alone, lockServers, serversHolder } from ${JSON.stringify(LOCK)};`;
  const env = { ...process.env, NODE_OPTIONS: '', FOLDER: folder };
  const args = ['--input-type=module', '-e', `${imports} const folder = process.env.FOLDER; ${script}`];
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  running.push(child);
  return child;
}

async function ended(child: ChildProcess) {
  let err = '';
  child.stderr!.on('data', (chunk) => (err += String(chunk)));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, err };
}

const firstLine = async (child: ChildProcess) =>
  (await once(createInterface(child.stdout!), 'line'))[0] as string;
const HOLD = `lockServers(folder, 'npm start'); console.log('mine'); setInterval(() => {}, 1_000);`;
const TAKE = `lockServers(folder, 'npm start'); console.log('mine');`;

describe('the lock of the servers', () => {
  it('goes to one of many processes that ask together, and the others report that process', async () => {
    for (let round = 0; round < 2; round++) {
      const children = Array.from({ length: 4 }, () => run(HOLD));
      const lines: number[] = [];
      const refusals: string[] = [];
      const holders = children.map(async (child) => {
        const line = await Promise.race([
          firstLine(child),
          ended(child).then(({ err }) => refusals.push(err)),
        ]);
        if (line === 'mine') lines.push(child.pid!);
      });
      await Promise.all(holders);
      expect(lines).toHaveLength(1);
      expect(refusals).toEqual(
        Array.from({ length: 3 }, () =>
          expect.stringContaining(`npm start already runs in this folder (process ${lines[0]})`),
        ),
      );
      // The next round must find the lock of a process that has ended.
      for (const child of children) child.kill('SIGKILL');
    }
  }, 60_000);

  it('can be handed to another process, which keeps it after the first holder has ended', async () => {
    const heir = run(`console.log('here'); setInterval(() => {}, 1_000);`);
    await firstLine(heir);
    expect(await ended(run(`lockServers(folder, 'npm start')(${heir.pid});`))).toMatchObject({ code: 0 });
    expect(await ended(run(TAKE))).toMatchObject({
      code: 1,
      err: expect.stringContaining(`kill ${heir.pid}`),
    });
    const gone = once(heir, 'exit');
    heir.kill('SIGKILL');
    await gone;
    expect(await ended(run(TAKE))).toMatchObject({ code: 0 });
  }, 60_000);

  it.each([
    ['has a reused process number', `{"pid":${process.pid},"born":"long ago","command":"npm start"}`],
    ['is empty, because its process died', ''],
    ['is not JSON', '{"pid":'],
  ])(
    'is free if the newest lock file %s',
    async (_, text) => {
      mkdirSync(join(folder, '.gangway', 'locks'), { recursive: true });
      writeFileSync(join(folder, '.gangway', 'locks', 'servers.7'), text);
      expect(await ended(run(TAKE))).toEqual({ code: 0, err: '' });
      expect(readdirSync(join(folder, '.gangway', 'locks'))).toEqual(['servers.8']);
    },
    60_000,
  );
});

describe('exclusive work', () => {
  it('is done by each process in turn, never by two at the same time', async () => {
    const work = `
      import { rmSync, writeFileSync } from 'node:fs';
      alone(folder, 'npm test', () => {
        writeFileSync(folder + '/inside', '', { flag: 'wx' }); // Fails if another process is inside.
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
        rmSync(folder + '/inside');
      });`;
    const ends = await Promise.all(Array.from({ length: 4 }, () => ended(run(work))));
    expect(ends.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
  }, 60_000);
});
