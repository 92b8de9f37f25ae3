import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';

export interface PageFile {
  type: string;
  bytes: Buffer;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/**
 * A compiled sandbox loads the same source files.
 *
 * @throws Error if the folder is missing, as in an image built without it
 */
export function loadPageFiles(): ReadonlyMap<string, PageFile> {
  const folder = findFolder(import.meta.dirname);
  const files = readdirSync(folder).flatMap((name): [string, PageFile][] => {
    const type = TYPES[extname(name)];
    return type === undefined ? [] : [[name, { type, bytes: readFileSync(join(folder, name)) }]];
  });
  return new Map(files);
}

/** Searches `from` and its parent folders, because a compiled file lies one level deeper than its source. */
function findFolder(from: string): string {
  const folder = join(from, 'apps', 'sandbox', 'page');
  if (existsSync(folder)) return folder;
  const parent = dirname(from);
  if (parent === from) throw new Error('apps/sandbox/page is missing');
  return findFolder(parent);
}
