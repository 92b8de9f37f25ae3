import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Story } from '../story.js';

const ROOT = join(import.meta.dirname, '../../..');
const GUIDE = join(ROOT, 'docs', 'integrate.md');

export interface PastedFile {
  /** The file name that docs/integrate.md tells the reader to use. */
  name: string;
  /** The path of the file in this repository that has the same text. */
  source: string;
  text: string;
}

/** The files that a reader of docs/integrate.md must paste, in this order. */
export function pastedFiles(): PastedFile[] {
  const guide = readFileSync(GUIDE, 'utf8');
  const blocks = guide.matchAll(/^Save as \[`([^`]+)`\]\(\.\.\/([^)]+)\)[\s\S]*?\n```\w+\n([\s\S]*?)^```$/gm);
  return [...blocks].map(([, name = '', source = '', text = '']) => ({ name, source, text }));
}

/**
 * Writes these files into a new folder. The folder is deleted when the story ends.
 *
 * @returns the path of the folder's `main.js`.
 */
export function pasteGuide(story: Story): string {
  const folder = mkdtempSync(join(tmpdir(), 'gangway-guide-'));
  story.atEnd(() => rm(folder, { recursive: true }));
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  for (const { name, text } of pastedFiles()) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return join(folder, 'main.js');
}
