import { accessSync, constants, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { runToEnd } from './child.mjs';

/** @typedef {string | string[]} Names */
/** @typedef {{version?: string, dev?: boolean, optional?: boolean, os?: Names, cpu?: Names}} Entry */
/** @typedef {{packages: Record<string, Entry & {optionalDependencies?: Record<string, string>}>}} Lock */

const admits = (names, name) => names === undefined || [names].flat().includes(name);

/** All packages, or only those that `npm start` needs. @typedef {'all' | 'runtime'} Extent */

const LOCK = 'package-lock.json';
/** The last file that npm writes. */
const HIDDEN = join('node_modules', '.package-lock.json');
const HERE = { os: process.platform, cpu: process.arch };

/**
 * Whether the installed packages are those of the lock file. Compares contents, because copies change file
 * times. Requires an optional package only if this project itself lists it and this platform can run it.
 *
 * @param {Lock} lock package-lock.json
 * @param {Lock} installed node_modules/.package-lock.json
 * @param {{os: string, cpu: string}} platform as in process.platform and process.arch
 * @param {Extent} extent
 * @returns {boolean}
 */
export function isInstalled(lock, installed, platform, extent = 'all') {
  const wanted = lock.packages['']?.optionalDependencies ?? {};
  return Object.entries(lock.packages).every(([path, entry]) => {
    const found = installed.packages[path];
    if (path === '' || (entry.dev && extent === 'runtime')) return true;
    if (found) return found.version === entry.version;
    if (!entry.optional) return false;
    const ours = path.slice('node_modules/'.length) in wanted;
    return !(ours && admits(entry.os, platform.os) && admits(entry.cpu, platform.cpu));
  });
}

/** @param {string} folder @param {string} file @returns {Lock | undefined} */
const read = (folder, file) =>
  existsSync(join(folder, file)) ? JSON.parse(readFileSync(join(folder, file), 'utf8')) : undefined;

/** @param {string} folder @param {Extent} extent @returns whether node_modules has the locked packages */
export function isComplete(folder, extent) {
  const installed = read(folder, HIDDEN);
  return (
    installed !== undefined && isInstalled(read(folder, LOCK) ?? { packages: {} }, installed, HERE, extent)
  );
}

/**
 * Installs missing dependencies. Others stay in place if possible, because an `npm start` may be using them.
 *
 * @param {string} folder
 * @param {Extent} extent
 */
export function install(folder, extent) {
  if (isComplete(folder, extent)) return;
  const all = extent === 'all' || Object.values(read(folder, HIDDEN)?.packages ?? {}).some(({ dev }) => dev);
  const adds = all && isComplete(folder, 'runtime');
  // Name the kinds, because npm leaves out development packages if NODE_ENV is production.
  const args = [...(adds ? ['install', '--no-save'] : ['ci']), all ? '--include=dev' : '--omit=dev'];
  const quiet = ['--include=optional', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'];
  const cli = process.env.npm_execpath;
  const [program, first] = cli?.endsWith('.js') ? [process.execPath, [cli]] : ['npm', []];
  const work = adds ? 'Adding packages for tests and checks' : 'Installing dependencies';
  const what = `${work} (npm ${args[0]})`;
  const more = [...first, ...args, ...quiet, '--ignore-scripts', ...cacheFlags(folder)];
  runToEnd(what, program, more, { cwd: folder });
}

/** Uses a cache in the checkout if npm may not write to its own cache, for example in a read-only home. */
function cacheFlags(folder) {
  const cache = process.env.npm_config_cache ?? join(homedir(), '.npm');
  try {
    mkdirSync(cache, { recursive: true });
    accessSync(cache, constants.W_OK);
    return [];
  } catch {
    return [`--cache=${join(folder, '.gangway', 'npm-cache')}`];
  }
}
