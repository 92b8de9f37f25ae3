import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fail } from './child.mjs';

const NEEDED_MAJOR = 24;

/** @param {string} version such as v24.21.0 */
const major = (version) => Number(/^v?(\d+)/.exec(version)?.[1] ?? 0);

/**
 * Finds a Node.js that can run Gangway: the one that runs this file, or one that npm installed.
 *
 * @param {string} checkout
 * @returns {string} the program's absolute path
 */
export function findNode24(checkout) {
  if (major(process.version) >= NEEDED_MAJOR) return process.execPath;
  const platform = `${process.platform}-${process.arch}`;
  const bundled = join(checkout, 'node_modules', `node-${platform}`, 'bin', 'node');
  if (existsSync(bundled)) {
    const { stdout, error } = spawnSync(bundled, ['--version'], { encoding: 'utf8' });
    if (!error && major(stdout) >= NEEDED_MAJOR) return bundled;
  }
  return fail(
    `Gangway needs Node.js ${NEEDED_MAJOR}. This is ${process.version}, and no npm package brings a newer ` +
      `one that works on ${platform}.\nInstall it and try again, for example: nvm install ${NEEDED_MAJOR} ` +
      `(or fnm, or nodejs.org). Or use the containers: docker compose up --wait`,
  );
}
