import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync } from 'node:fs';
import { access, mkdir, mkdtemp, readFile, readdir, rename, rm } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { cacheFolder, serversFolder } from '../checkout.js';
import { Plain, step } from '../console.js';

const run = promisify(execFile);

/** redis-server is a link into redis-tools. The other packages are libraries that a minimal system lacks. */
const PACKAGES = ['redis-server', 'redis-tools', 'liblzf1', 'libjemalloc2', 'libatomic1'];
const WAYS_OUT = [
  'Gangway needs Redis (or Valkey) and found none. Do one of these:',
  '  - set REDIS_URL to a Redis 7 or newer, for example REDIS_URL=redis://127.0.0.1:6379',
  '  - install one: apt-get install redis-server, or on macOS: brew install redis',
  '  - use the containers: docker compose up --wait',
].join('\n');

export interface RedisBinary {
  program: string;
  /** For LD_LIBRARY_PATH, if the system lacks some of the libraries. */
  libraries: string | undefined;
}

/**
 * Finds a Redis on the PATH. On Debian and Ubuntu, otherwise unpacks the distribution's packages, without
 * root.
 *
 * @throws Plain with what to do, if there is no Redis
 */
export async function findRedis(): Promise<RedisBinary> {
  const installed = onPath('valkey-server') ?? onPath('redis-server');
  if (installed) return { program: installed, libraries: undefined };
  const unpacked = await unpackedFolder(`redis-${await distribution()}-${process.arch}`);
  if (!existsSync(unpacked)) {
    if (!onPath('apt-get') || !onPath('dpkg')) throw new Plain(WAYS_OUT);
    await step('Fetching Redis from the distribution’s packages (no root needed, once)', () =>
      unpack(unpacked),
    );
  }
  return { program: join(unpacked, 'usr', 'bin', 'redis-server'), libraries: await libraryFolders(unpacked) };
}

function onPath(name: string): string | undefined {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const program = join(folder, name);
    try {
      if (folder !== '') accessSync(program, constants.X_OK);
      else continue;
      return program;
    } catch {
      // Try the next folder of the PATH.
    }
  }
  return undefined;
}

/**
 * @returns a folder in the user's cache, which all checkouts share, or beside PostgreSQL's files if the cache
 *   is read-only.
 */
export async function unpackedFolder(name: string): Promise<string> {
  const cache = cacheFolder();
  const shared = join(cache, name);
  if (existsSync(shared)) return shared;
  try {
    await mkdir(cache, { recursive: true });
    await access(cache, constants.W_OK);
    return shared;
  } catch {
    return join(serversFolder(), name);
  }
}

/**
 * @returns for example debian-12, for the folder's name: after an upgrade, the system needs other binaries.
 */
async function distribution(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  const value = (key: string) => new RegExp(`^${key}="?([^"\\n]*)`, 'm').exec(text)?.[1] ?? 'unknown';
  return `${value('ID')}-${value('VERSION_ID')}`;
}

async function unpack(target: string): Promise<void> {
  // The system's temporary folder may be missing, or programs may not run there.
  const work = await mkdtemp(`${target}.`);
  try {
    const download = (flags: string[]) => run('apt-get', [...flags, 'download', ...PACKAGES], { cwd: work });
    await download(['-qq']).catch(async () => {
      // The system's package lists are missing or old, and only root may update them.
      const flags = await privateLists(work);
      await run('apt-get', [...flags, 'update'], { cwd: work });
      await download(flags);
    });
    const root = join(work, 'root');
    await mkdir(root);
    for (const file of await readdir(work)) {
      if (file.endsWith('.deb')) await run('dpkg', ['-x', join(work, file), root]);
    }
    await run(join(root, 'usr', 'bin', 'redis-server'), ['--version'], {
      env: { ...process.env, LD_LIBRARY_PATH: await libraryFolders(root) },
    });
    // If another start was faster, use its folder.
    await rename(root, target).catch(() => undefined);
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string };
    throw new Plain(
      `${WAYS_OUT}\n(Fetching its packages with apt-get failed: ${(stderr || message).trim()})`,
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function privateLists(work: string): Promise<string[]> {
  const lists = join(work, 'lists');
  const cache = join(work, 'cache');
  await mkdir(join(lists, 'partial'), { recursive: true });
  await mkdir(join(cache, 'archives', 'partial'), { recursive: true });
  // apt's own sandbox user may not write into this folder.
  const options = [`Dir::State::lists=${lists}`, `Dir::Cache=${cache}`, 'APT::Sandbox::User='];
  return ['-qq', ...options.flatMap((option) => ['-o', option])];
}

async function libraryFolders(root: string): Promise<string> {
  const base = join(root, 'usr', 'lib');
  const entries = await readdir(base, { withFileTypes: true });
  const triplets = entries.filter((entry) => entry.isDirectory() && entry.name.includes('-linux-'));
  return triplets.map((entry) => join(base, entry.name)).join(delimiter);
}
