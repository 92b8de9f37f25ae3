import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Story } from '../story.js';

const ROOT = join(import.meta.dirname, '../../..');

function copyCommands(): string {
  const guide = readFileSync(join(ROOT, 'docs', 'integrate.md'), 'utf8');
  const [, commands = ''] = /^```bash\nGANGWAY=.*\n((?:cp .*\n)+)```$/m.exec(guide) ?? [];
  return commands;
}

/** Copies the example with the commands of docs/integrate.md. @returns the path of its `main.js`. */
export function copyExample(story: Story): string {
  const folder = mkdtempSync(join(tmpdir(), 'gangway-guide-'));
  story.atEnd(() => rm(folder, { recursive: true }));
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  mkdirSync(join(folder, 'page'));
  execFileSync('bash', ['-eu', '-c', copyCommands()], {
    cwd: folder,
    env: { ...process.env, GANGWAY: ROOT },
  });
  return join(folder, 'main.js');
}
