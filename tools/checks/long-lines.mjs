/** Fails if a line of code is longer than 110 characters. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

const MOST = 110;
const files = execFileSync(
  'git',
  ['ls-files', '-co', '--exclude-standard', '*.ts', '*.tsx', '*.js', '*.mjs'],
  { encoding: 'utf8' },
);
let found = 0;
for (const file of files
  .trim()
  .split('\n')
  .filter((each) => existsSync(each))) {
  for (const [index, line] of readFileSync(file, 'utf8').split('\n').entries()) {
    const { length } = [...line];
    if (length <= MOST) continue;
    console.error(`${file}:${index + 1} has ${length} characters; at most ${MOST} are allowed`);
    found += 1;
  }
}
process.exitCode = found > 0 ? 1 : 0;
