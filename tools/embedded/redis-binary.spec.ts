import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { serversFolder } from '../checkout.js';
import { unpackedFolder } from './redis-binary.js';

describe('the folder that Redis is unpacked into', () => {
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
    // Not even root can make a folder in a file, or write to sysfs.
    writeFileSync(join(folder, 'file'), '');
    for (const closed of [join(folder, 'file', 'cache'), '/sys/kernel']) {
      process.env['XDG_CACHE_HOME'] = closed;
      expect(await unpackedFolder('redis-x')).toBe(join(serversFolder(), 'redis-x'));
    }
  });

  it('is the one into which Redis was unpacked before', async () => {
    process.env['XDG_CACHE_HOME'] = folder;
    mkdirSync(join(folder, 'gangway', 'redis-x'), { recursive: true });
    expect(await unpackedFolder('redis-x')).toBe(join(folder, 'gangway', 'redis-x'));
  });
});
