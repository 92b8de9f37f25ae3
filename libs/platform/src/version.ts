import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export const VERSION = (
  JSON.parse(readFileSync(findPackage(import.meta.dirname), 'utf8')) as { version: string }
).version;

/** Searches the parent folders, because the compiled file is one level deeper than its source. */
function findPackage(from: string): string {
  const path = join(from, 'package.json');
  return existsSync(path) ? path : findPackage(dirname(from));
}
