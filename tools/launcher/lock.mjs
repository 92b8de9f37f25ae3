import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail } from './child.mjs';

/** @typedef {{pid: number, born: string, command: string}} Holder */

const FREE = '{}';
const POLL_MS = 100;
/** How long a process may take to write its lock file. If it dies first, the file stays empty. */
const WRITTEN_WITHIN_MS = 2_000;

const pause = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/**
 * @param {number} pid
 * @returns {string | undefined} the start time as the system prints it, which identifies a process together
 *   with its id; undefined if there is no such process
 */
function bornAt(pid) {
  try {
    if (!existsSync('/proc/self/stat'))
      return execFileSync('ps', ['-o', 'lstart=', '-p', `${pid}`], { encoding: 'utf8' }).trim() || undefined;
    // The name (field 2) may contain any character, so count after it: field 3 is the state, and field 22 the
    // start time (proc(5)).
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').pop()?.split(' ') ?? [];
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/**
 * Locks a folder with numbered files. The file with the highest number names the holder. If the holder has
 * ended, a process takes the lock by creating the next file. A file is deleted only if a higher one exists,
 * so no number is created twice.
 */
class Lock {
  constructor(folder, name) {
    this.folder = folder;
    this.name = name;
    this.number = 0;
  }

  file(number) {
    return join(this.folder, `${this.name}.${number}`);
  }

  /** @returns {number[]} the numbers of the files, highest first */
  numbers() {
    const prefix = `${this.name}.`;
    return readdirSync(this.folder)
      .filter((file) => file.startsWith(prefix))
      .map((file) => Number(file.slice(prefix.length)))
      .sort((a, b) => b - a);
  }

  /** @returns {Holder | undefined} the running process that holds the lock */
  holder() {
    for (const giveUpAt = Date.now() + WRITTEN_WITHIN_MS; ; pause(10)) {
      const [highest = 0] = existsSync(this.folder) ? this.numbers() : [];
      if (highest === 0) return undefined;
      try {
        const { pid, born, command } = JSON.parse(readFileSync(this.file(highest), 'utf8'));
        return pid !== undefined && bornAt(pid) === born ? { pid, born, command } : undefined;
      } catch {
        // Another process is writing the file, or has deleted it because a higher one exists.
        if (Date.now() > giveUpAt) return undefined;
      }
    }
  }

  /**
   * @param {string} command as users type it
   * @returns {Holder | undefined} the other process that holds the lock
   */
  take(command) {
    mkdirSync(this.folder, { recursive: true });
    for (;;) {
      const [highest = 0] = this.numbers();
      const holder = this.holder();
      if (holder) return holder;
      this.number = highest + 1;
      try {
        this.write({ pid: process.pid, command }, 'wx');
      } catch (error) {
        if (/** @type {NodeJS.ErrnoException} */ (error).code === 'EEXIST') continue;
        throw error;
      }
      if (this.numbers()[0] === this.number) break;
      rmSync(this.file(this.number), { force: true });
    }
    for (const number of this.numbers()) if (number < this.number) rmSync(this.file(number), { force: true });
    return undefined;
  }

  /** @param {{pid: number, command: string}} who @param {'w' | 'wx'} flag */
  write(who, flag) {
    writeFileSync(this.file(this.number), JSON.stringify({ ...who, born: bornAt(who.pid) }), { flag });
  }

  release() {
    writeFileSync(this.file(this.number), FREE);
  }
}

const lockOf = (checkout, name) => new Lock(join(checkout, '.gangway', 'locks'), name);

function takeOrFail(lock, command) {
  try {
    return lock.take(command);
  } catch (error) {
    const { code } = /** @type {NodeJS.ErrnoException} */ (error);
    if (!['EACCES', 'EROFS', 'EPERM'].includes(`${code}`)) throw error;
    return fail(`This user may not write to ${lock.folder}. Change the folder's owner, or clone again.`);
  }
}

/**
 * Takes the lock of the development servers' data until this process ends, or reports the holder and exits.
 *
 * @param {string} checkout
 * @param {string} command as users type it
 * @returns {(pid: number) => void} hands the lock to another process
 */
export function lockServers(checkout, command) {
  const lock = lockOf(checkout, 'servers');
  const holder = takeOrFail(lock, command);
  if (holder) {
    fail(
      `${holder.command} already runs in this folder (process ${holder.pid}). ` +
        `Stop it first: Ctrl-C there, or kill ${holder.pid}.`,
    );
  }
  return (pid) => lock.write({ pid, command }, 'w');
}

/** @param {string} checkout @returns the process that uses the development servers' data */
export const serversHolder = (checkout) => lockOf(checkout, 'servers').holder();

/**
 * Does work that only one process of a folder may do at a time. Other processes wait for their turn.
 *
 * @param {string} checkout
 * @param {string} command as users type it
 * @param {() => void} work
 */
export function alone(checkout, command, work) {
  const lock = lockOf(checkout, 'setup');
  for (let told = false; ; pause(POLL_MS)) {
    const holder = takeOrFail(lock, command);
    if (!holder) break;
    if (!told)
      console.error(
        `→ Waiting for ${holder.command} (process ${holder.pid}), which installs or builds here …`,
      );
    told = true;
  }
  work();
  lock.release();
}
