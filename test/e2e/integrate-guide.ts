import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const GUIDE = join(import.meta.dirname, '..', '..', 'docs', 'integrate.md');

export interface PastedFile {
  /** Where the reader saves it. */
  name: string;
  /** The file of ours that it is, from the top of the checkout. */
  source: string;
  text: string;
}

/** What a reader of docs/integrate.md pastes, in order. */
export function pastedFiles(): PastedFile[] {
  const guide = readFileSync(GUIDE, 'utf8');
  const blocks = guide.matchAll(/^Save as \[`([^`]+)`\]\(\.\.\/([^)]+)\)[\s\S]*?\n```\w+\n([\s\S]*?)^```$/gm);
  return [...blocks].map(([, name = '', source = '', text = '']) => ({ name, source, text }));
}
