import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { serversFolder } from '../checkout.js';
import { findRedis, unpackedFolder } from './redis-binary.js';

describe('the folder for the unpacked Redis', () => {
  const kept = process.env['XDG_CACHE_HOME'];
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gangway-cache-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
    if (kept === undefined) delete process.env['XDG_CACHE_HOME'];
    else process.env['XDG_CACHE_HOME'] = kept;
  });

  it('is in the user’s cache folder', async () => {
    process.env['XDG_CACHE_HOME'] = join(folder, 'cache');
    expect(await unpackedFolder('redis-x')).toBe(join(folder, 'cache', 'gangway', 'redis-x'));
  });

  it('is beside PostgreSQL’s files if the user may not write to the cache folder', async () => {
    // Paths that fail even for root: a folder inside a file, and a folder in sysfs.
    writeFileSync(join(folder, 'file'), '');
    for (const closed of [join(folder, 'file', 'cache'), '/sys/kernel']) {
      process.env['XDG_CACHE_HOME'] = closed;
      expect(await unpackedFolder('redis-x')).toBe(join(serversFolder(), 'redis-x'));
    }
  });

  it('is the existing folder if an earlier start has unpacked Redis there', async () => {
    process.env['XDG_CACHE_HOME'] = folder;
    mkdirSync(join(folder, 'gangway', 'redis-x'), { recursive: true });
    expect(await unpackedFolder('redis-x')).toBe(join(folder, 'gangway', 'redis-x'));
  });
});

describe('a Redis of the distribution’s packages', () => {
  const { PATH, XDG_CACHE_HOME, TMPDIR } = process.env;
  let folder: string;

  const program = (name: string, text: string) =>
    writeFileSync(join(folder, 'bin', name), `#!/bin/sh\nset -e\n${text}\n`, { mode: 0o755 });

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'gangway-packages-'));
    mkdirSync(join(folder, 'bin'));
    program('apt-get', ': > redis-server.deb');
    program(
      'dpkg',
      '/bin/mkdir -p "$3/usr/bin" "$3/usr/lib/x86_64-linux-gnu"\n' +
        'printf "#!/bin/sh\\n" > "$3/usr/bin/redis-server"; /bin/chmod 755 "$3/usr/bin/redis-server"',
    );
    Object.assign(process.env, {
      PATH: join(folder, 'bin'),
      XDG_CACHE_HOME: join(folder, 'cache'),
      TMPDIR: join(folder, 'nowhere'),
    });
  });
  afterEach(() => {
    for (const [name, value] of Object.entries({ PATH, XDG_CACHE_HOME, TMPDIR })) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    rmSync(folder, { recursive: true });
  });

  it('is unpacked without the system’s temporary folder, and leaves no other files', async () => {
    const { program: found } = await findRedis();
    const cache = join(folder, 'cache', 'gangway');
    expect(found.startsWith(cache)).toBe(true);
    expect(readdirSync(cache)).toHaveLength(1);
  });
});
