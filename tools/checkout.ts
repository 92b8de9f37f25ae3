import { chmodSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { homedir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Plain } from './console.js';

/**
 * The folder of package.json. The compiled form of this file is one level deeper, so search for the folder.
 */
export const CHECKOUT = findCheckout(dirname(fileURLToPath(import.meta.url)));

/** Files that Gangway keeps between runs and that git ignores: logs, secrets, data. */
export const STATE = join(CHECKOUT, '.gangway');

/** Whether this user is root. PostgreSQL then runs as another user. */
export const AS_ROOT = process.getuid?.() === 0;

/**
 * Creates the folder for the data of embedded servers, inside the checkout. The folder is under /var/tmp if
 * PostgreSQL's user may be unable to enter the checkout (this user is root), or if the checkout's file system
 * cannot restrict a folder to its owner (a Windows disk under WSL).
 */
export function serversFolder(): string {
  if (!AS_ROOT) {
    const inside = join(STATE, 'servers');
    if (keepsToOwner(inside)) return inside;
  }
  const id = createHash('sha256').update(CHECKOUT).digest('hex').slice(0, 12);
  const outside = join('/var/tmp', `gangway-${userInfo().username}-${id}`);
  // With the umask 077, PostgreSQL's user could not enter the folders. Files with secrets have their own
  // mode.
  if (AS_ROOT) process.umask(0o022);
  mkdirSync(outside, { recursive: true });
  // Any user may create folders in /var/tmp. Data must not go into a folder of another user.
  if (statSync(outside).uid !== process.getuid?.()) {
    throw new Plain(`${outside} belongs to another user: remove it, or set DATABASE_URL and REDIS_URL.`);
  }
  return outside;
}

/** @returns the cache folder of all checkouts of this user. It may be deleted at any time. */
export function cacheFolder(): string {
  const base = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  return join(base, 'gangway');
}

function findCheckout(from: string): string {
  return existsSync(join(from, 'package.json')) ? from : findCheckout(dirname(from));
}

function keepsToOwner(folder: string): boolean {
  mkdirSync(folder, { recursive: true });
  chmodSync(folder, 0o700);
  return (statSync(folder).mode & 0o777) === 0o700;
}
