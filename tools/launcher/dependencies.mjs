import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runToEnd } from './child.mjs';

/** @typedef {{version?: string, optional?: boolean, os?: string | string[], cpu?: string | string[]}} Entry */
/** @typedef {{packages: Record<string, Entry & {optionalDependencies?: Record<string, string>}>}} Lock */

/** @param {string | string[] | undefined} names @param {string} name */
const admits = (names, name) => names === undefined || [names].flat().includes(name);

/**
 * Whether what is installed is what the lock file says. Contents are compared, not file times: a checkout or
 * a copy sets those anew. An optional package counts where this project itself asks for it and this platform
 * can run it; npm leaves the others out by rules of its own.
 *
 * @param {Lock} lock package-lock.json
 * @param {Lock} installed node_modules/.package-lock.json, which npm writes last of all
 * @param {{os: string, cpu: string}} platform as in process.platform and process.arch
 * @returns {boolean}
 */
export function isInstalled(lock, installed, platform) {
  const wanted = lock.packages['']?.optionalDependencies ?? {};
  return Object.entries(lock.packages).every(([path, entry]) => {
    const found = installed.packages[path];
    if (path === '') return true;
    if (found) return found.version === entry.version;
    if (!entry.optional) return false;
    const ours = path.slice('node_modules/'.length) in wanted;
    return !(ours && admits(entry.os, platform.os) && admits(entry.cpu, platform.cpu));
  });
}

/**
 * Installs the dependencies as the lock file has them, if they are not.
 *
 * @param {string} checkout
 */
export function install(checkout) {
  const read = (/** @type {string[]} */ ...path) => JSON.parse(readFileSync(join(checkout, ...path), 'utf8'));
  const hidden = join('node_modules', '.package-lock.json');
  const platform = { os: process.platform, cpu: process.arch };
  if (existsSync(join(checkout, hidden)) && isInstalled(read('package-lock.json'), read(hidden), platform))
    return;
  // NODE_ENV=production would leave out the compiler; --include brings it back.
  const args = ['ci', '--include=dev', '--include=optional', '--prefer-offline', '--no-audit', '--no-fund'];
  const quiet = ['--loglevel=error', '--ignore-scripts'];
  const cli = process.env.npm_execpath;
  const [program, first] = cli?.endsWith('.js') ? [process.execPath, [cli]] : ['npm', []];
  runToEnd('Installing dependencies (npm ci)', program, [...first, ...args, ...quiet], { cwd: checkout });
}
