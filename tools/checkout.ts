import { chmodSync, existsSync, mkdirSync, statSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { homedir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Plain } from './console.js';

/** The folder that holds package.json: compiled, this file lies a level deeper than its source. */
export const CHECKOUT = findCheckout(dirname(fileURLToPath(import.meta.url)));

/** Everything that Gangway keeps between runs and git does not: logs, secrets, data. */
export const STATE = join(CHECKOUT, '.gangway');

/** PostgreSQL refuses to run as root, so there it runs as somebody else. */
export const AS_ROOT = process.getuid?.() === 0;

/**
 * The folder for the data of embedded servers: inside the checkout, unless PostgreSQL could not live there.
 * As root it runs as `nobody`, who may be unable to pass a folder above the checkout; and some file systems
 * (a Windows disk under WSL) cannot keep a folder to its owner. Then it is under /var/tmp, by the checkout's
 * path, so that each checkout keeps its own.
 *
 * @returns an absolute path; the folder exists and belongs to this user
 */
export function serversFolder(): string {
  if (!AS_ROOT) {
    const inside = join(STATE, 'servers');
    if (keepsToOwner(inside)) return inside;
  }
  const id = createHash('sha256').update(CHECKOUT).digest('hex').slice(0, 12);
  const outside = join('/var/tmp', `gangway-${userInfo().username}-${id}`);
  // A root whose umask is 077 would make folders that `nobody` cannot pass. Secrets are written with their own mode.
  if (AS_ROOT) process.umask(0o022);
  mkdirSync(outside, { recursive: true });
  // Anybody may make a folder in /var/tmp: data must not go into one that somebody else waits in.
  if (statSync(outside).uid !== process.getuid?.()) {
    throw new Plain(`${outside} belongs to another user: remove it, or set DATABASE_URL and REDIS_URL.`);
  }
  return outside;
}

/** All checkouts of this user share this folder. It may be deleted at any time. */
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
