import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const exec = promisify(execFile);

/** Installs the folder's packages if necessary. @returns false if this fails, and prints the reason. */
export async function installClients(folder: string): Promise<boolean> {
  const timeOf = (file: string) =>
    stat(join(folder, file)).then(
      ({ mtimeMs }) => mtimeMs,
      () => 0,
    );
  if ((await timeOf('node_modules/.package-lock.json')) >= (await timeOf('package-lock.json'))) return true;
  try {
    await exec('npm', ['ci'], { cwd: folder, timeout: 280_000 });
    return true;
  } catch (error) {
    const { stderr } = error as { stderr?: string };
    process.stderr.write(`\nNOT TESTED: clients, because npm ci failed in ${folder}\n${stderr}\n\n`);
    return false;
  }
}
